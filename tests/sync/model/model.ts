import { assert } from '#hub/kernel/result.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';

// Replication in a few lines and without a database: the centre decides, hubs lay their own operations over what it says.
// Kept apart from the product on purpose: what it and the product do is compared by nothing but what must always hold.

/** What a broken replication would do; each must be caught. */
export type Mutant =
  | 'noEchoForALoser'
  | 'ownRowsSkipped'
  | 'noOverlay'
  | 'noEpochs'
  | 'noDedupe'
  | 'cursorBeforeRows';

type Values = Readonly<Record<string, number>>;

interface Operation {
  readonly id: number;
  readonly seq: number;
  readonly row: number;
  readonly set: Values;
  /** The last change that the hub had seen. */
  readonly base: number;
  readonly hlc: number;
}
interface Cell {
  readonly value: number;
  readonly seq: number;
  readonly hlc: number;
  readonly hub: number;
}
interface Change {
  readonly row: number;
  readonly set: Values;
  readonly hub: number;
  readonly epoch: number;
  readonly origin: number;
}
interface KnownHub {
  epoch: number;
  lastSeq: number;
  chain: string;
  /** Where batches ended: number -> chain. */
  marks: Map<number, string>;
}
interface HubState {
  epoch: number;
  acked: number;
  settled: number;
  cursor: number;
  outbox: Operation[];
  rows: Map<string, number>;
  hlc: number;
}

const columns = ['a', 'b', 'c'] as const;
const rowCount = 4;
const centreItself = 99;
const stepsPerMs = 2048;
/** A clock that is further ahead counts as so far ahead. */
const maxAheadMs = 300;
const cellOf = (row: number, column: string): string => `${row}.${column}`;

class Centre {
  readonly changes: Change[] = [];
  readonly cells = new Map<string, Cell>();
  readonly hubs = new Map<number, KnownHub>();
  /** How often each operation was applied, by epoch: what both did not know of each other comes once more in the next one. */
  readonly applied = new Map<number, Map<number, number>>();
  readonly #mutant: Mutant | null;

  constructor(mutant: Mutant | null) {
    this.#mutant = mutant;
  }

  hub(id: number): KnownHub {
    const known = this.hubs.get(id) ?? { epoch: 1, lastSeq: 0, chain: '', marks: new Map([[0, '']]) };
    this.hubs.set(id, known);
    return known;
  }

  push(
    id: number,
    epoch: number,
    operations: readonly Operation[],
    chainAt: (seq: number) => string,
    nowMs: number,
  ) {
    const known = this.hub(id);
    const [first] = operations;
    const last = operations.at(-1);
    if (first === undefined || last === undefined) return 'ok';
    if (epoch !== known.epoch) return 'fenced';
    if (first.seq > known.lastSeq + 1) return 'gap';
    if (first.seq === known.lastSeq + 1 && chainAt(known.lastSeq) !== known.chain) return 'fork';
    for (const operation of operations)
      if (this.#mutant === 'noDedupe' || operation.seq > known.lastSeq)
        this.apply(id, epoch, operation, nowMs);
    if (last.seq <= known.lastSeq) return 'ok';
    known.lastSeq = last.seq;
    known.chain = chainAt(last.seq);
    known.marks.set(last.seq, known.chain);
    return 'ok';
  }

  apply(hub: number, epoch: number, operation: Operation, nowMs: number): void {
    const times = this.applied.get(operation.id) ?? new Map<number, number>();
    this.applied.set(operation.id, times.set(epoch, (times.get(epoch) ?? 0) + 1));
    const seq = this.changes.length + 1;
    const hlc = Math.min(operation.hlc, (nowMs + maxAheadMs) * stepsPerMs);
    const result: Record<string, number> = {};
    for (const [column, value] of Object.entries(operation.set)) {
      const key = cellOf(operation.row, column);
      const cell = this.cells.get(key);
      const wins =
        cell === undefined ||
        cell.seq <= operation.base ||
        (cell.hub === hub
          ? operation.hlc >= cell.hlc
          : hlc > cell.hlc || (hlc === cell.hlc && hub > cell.hub));
      if (wins) this.cells.set(key, { value, seq, hlc, hub });
      if (wins || this.#mutant !== 'noEchoForALoser') result[column] = this.cells.get(key)?.value ?? value;
    }
    this.changes.push({ row: operation.row, set: result, hub, epoch, origin: operation.seq });
  }

  /** What a hub that has lost everything is given. */
  snapshot(): Map<string, number> {
    return new Map([...this.cells].map(([key, { value }]) => [key, value]));
  }
}

class Hub {
  readonly id: number;
  state: HubState = { epoch: 1, acked: 0, settled: 0, cursor: 0, outbox: [], rows: new Map(), hlc: 0 };
  #backup: HubState = structuredClone(this.state);
  readonly #centre: Centre;
  readonly #mutant: Mutant | null;

  constructor(id: number, centre: Centre, mutant: Mutant | null) {
    this.id = id;
    this.#centre = centre;
    this.#mutant = mutant;
  }

  write(operation: Pick<Operation, 'id' | 'row' | 'set'>, nowMs: number): void {
    const { state } = this;
    state.hlc = Math.max(nowMs * stepsPerMs, state.hlc + 1);
    const seq = (state.outbox.at(-1)?.seq ?? 0) + 1;
    state.outbox.push({ ...operation, seq, base: state.cursor, hlc: state.hlc });
    for (const [column, value] of Object.entries(operation.set))
      state.rows.set(cellOf(operation.row, column), value);
  }

  backUp(): void {
    this.#backup = structuredClone(this.state);
  }
  restoreBackup(): readonly Operation[] {
    const known = new Set(this.#backup.outbox.map(({ id }) => id));
    const gone = this.state.outbox.filter(({ id }) => !known.has(id));
    this.state = structuredClone(this.#backup);
    return gone;
  }

  #chainAt = (seq: number): string =>
    this.state.outbox
      .filter((operation) => operation.seq <= seq)
      .map(({ id }) => id)
      .join();

  /** One round; `lost` names the answer that never arrives. */
  round(nowMs: number, lost: 'push' | 'pull' | null, limit: number): void {
    this.#agree();
    const { state } = this;
    const batch = state.outbox.filter(({ seq }) => seq > state.acked).slice(0, limit);
    const answer = this.#centre.push(this.id, state.epoch, batch, this.#chainAt, nowMs);
    if (this.#mutant !== 'noEpochs') assert(answer === 'ok', `the push was taken, not ${answer}`);
    if (lost === 'push') return;
    state.acked = Math.max(state.acked, batch.at(-1)?.seq ?? 0);
    const changes = this.#centre.changes.slice(state.cursor, state.cursor + limit);
    if (lost === 'pull') {
      if (this.#mutant === 'cursorBeforeRows') state.cursor += changes.length;
      return;
    }
    for (const change of changes) this.#take(change);
  }

  /** Sends the same operations once more, as a hub does that has not heard. */
  repeat(nowMs: number): void {
    const { outbox, acked, epoch } = this.state;
    if (this.#centre.hub(this.id).epoch !== epoch) return;
    const again = outbox.filter(({ seq }) => seq <= acked).slice(-3);
    this.#centre.push(this.id, epoch, again, this.#chainAt, nowMs);
  }

  #agree(): void {
    const known = this.#centre.hub(this.id);
    const { state } = this;
    const last = state.outbox.at(-1)?.seq ?? 0;
    if (this.#mutant === 'noEpochs') {
      state.acked = Math.max(state.acked, known.lastSeq);
      return;
    }
    const isSame = known.epoch === state.epoch && known.lastSeq <= last;
    if (isSame && this.#chainAt(known.lastSeq) === known.chain) {
      state.acked = known.lastSeq;
      return;
    }
    // Put back to an old backup: from the last point that both know, under another epoch, over what the centre has.
    const common = [...known.marks.keys()]
      .sort((left, right) => right - left)
      .find((seq) => seq <= last && known.marks.get(seq) === this.#chainAt(seq));
    const from = common ?? 0;
    known.epoch += 1;
    known.lastSeq = from;
    known.chain = this.#chainAt(from);
    known.marks = new Map([...known.marks].filter(([seq]) => seq <= from));
    Object.assign(state, {
      epoch: known.epoch,
      acked: from,
      settled: from,
      cursor: this.#centre.changes.length,
    });
    const pending = state.outbox.filter(({ seq }) => seq > from);
    state.rows = this.#centre.snapshot();
    for (const { row, set } of pending)
      for (const [column, value] of Object.entries(set)) state.rows.set(cellOf(row, column), value);
  }

  #take(change: Change): void {
    const { state } = this;
    state.cursor += 1;
    const isOwn = change.hub === this.id && change.epoch === state.epoch;
    if (isOwn) state.settled = Math.max(state.settled, change.origin);
    if (isOwn && this.#mutant === 'ownRowsSkipped') return;
    for (const [column, value] of Object.entries(change.set)) {
      const isPending = state.outbox.some(
        (own) => own.seq > state.settled && own.row === change.row && column in own.set,
      );
      if (!isPending || this.#mutant === 'noOverlay') state.rows.set(cellOf(change.row, column), value);
    }
  }

  /** What was written here last and is not settled must be what is read here. */
  readsItsWrites(): boolean {
    const last = new Map<string, number>();
    for (const { seq, row, set } of this.state.outbox)
      if (seq > this.state.settled)
        for (const [column, value] of Object.entries(set)) last.set(cellOf(row, column), value);
    return [...last].every(([key, value]) => this.state.rows.get(key) === value);
  }
}

/**
 * Plays `steps` random steps of three hubs and a centre that is written to itself, then lets them come to rest. Throws
 * when something does not hold that must.
 */
export function playModel(seed: number, steps: number, mutant: Mutant | null): void {
  const random = seededRandom(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const centre = new Centre(mutant);
  const hubs = [0, 1, 2].map((id) => new Hub(id, centre, mutant));
  /** Operations that a restored backup took away before they were sent: nobody can bring them back. */
  const gone = new Set<number>();
  const written = new Set<number>();
  let nowMs = 1_000_000;
  let nextId = 1;
  const newOperation = () => {
    const id = nextId;
    nextId += 1;
    const set = Object.fromEntries(
      columns.filter(() => random() < 0.5).map((column) => [column, id * 10 + pick(10)]),
    );
    return { id, row: pick(rowCount), set: Object.keys(set).length === 0 ? { a: id * 10 } : set };
  };
  const check = (holds: boolean, what: string): void =>
    assert(holds, `${what} (seed ${seed}, ${mutant ?? 'as it is'})`);
  for (let step = 0; step < steps; step += 1) {
    nowMs += pick(50);
    const hub = hubs[pick(hubs.length)];
    assert(hub !== undefined, 'there are hubs');
    // One clock is two hours ahead now and then, another behind.
    const hubMs = nowMs + (random() < 0.1 ? 7_200_000 : 0) - (hub.id === 1 ? 1000 : 0);
    const what = random();
    if (what < 0.45) {
      const operation = newOperation();
      hub.write(operation, hubMs);
      written.add(operation.id);
    } else if (what < 0.8) {
      const cursorBefore = hub.state.cursor;
      const fault = random();
      const epochBefore = hub.state.epoch;
      hub.round(nowMs, fault < 0.15 ? 'push' : fault < 0.3 ? 'pull' : null, 1 + pick(5));
      check(hub.state.epoch > epochBefore || hub.state.cursor >= cursorBefore, 'a cursor goes forward only');
    } else if (what < 0.87) hub.repeat(nowMs);
    else if (what < 0.93) {
      const { id, row, set } = newOperation();
      const seq = centre.changes.length;
      centre.apply(centreItself, 0, { id, row, set, seq: 0, base: seq, hlc: nowMs * stepsPerMs }, nowMs);
    } else if (what < 0.97) hub.backUp();
    else for (const { id } of hub.restoreBackup()) if (!centre.applied.has(id)) gone.add(id);
    check(hub.readsItsWrites(), 'a hub reads what it wrote');
  }
  for (let turn = 0; turn < 4; turn += 1) for (const hub of hubs) hub.round(nowMs, null, 1_000_000);
  for (const id of written)
    if (!gone.has(id)) check(centre.applied.get(id) !== undefined, `operation ${id} is at the centre`);
  for (const [id, times] of centre.applied)
    for (const count of times.values()) check(count === 1, `operation ${id} was applied ${count} times`);
  const printed = (cells: ReadonlyMap<string, number>): string =>
    JSON.stringify([...cells].sort(([left], [right]) => (left < right ? -1 : 1)));
  const there = printed(centre.snapshot());
  for (const hub of hubs) {
    check(hub.state.cursor === centre.changes.length, 'every change has arrived');
    check(printed(hub.state.rows) === there, `hub ${hub.id} is equal to the centre`);
  }
}
