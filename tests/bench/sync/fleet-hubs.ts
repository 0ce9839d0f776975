import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Centre, type Hello, type Identity, type PushBatch } from '#hub/sync/central/centre.ts';
import { type CentralClient, type CentralConnection, connectCentral } from '#hub/sync/central/connection.ts';
import { chainStart, linkOn } from '#hub/sync/engine/chain.ts';
import { encodeSegment } from '#hub/sync/engine/columns.ts';
import { joinCodeHash } from '#hub/sync/link/join-code.ts';
import { syncSchemaNumber } from '#hub/sync/schema.ts';
import { memberRow } from '#tests/sync/replicas.ts';
import { type BenchEvent, benchEvents, eventColumns } from './events.ts';
import { benchDigest } from './store.ts';

const connectTimeoutMs = 15_000;
const queryTimeoutMs = 60_000;
const eventsOfRound = 5;
const changesAtOnce = 500;

/** A few connections that many hubs share, each for one call: what a pooler in transaction mode does with them. */
export class SharedConnections implements CentralClient {
  readonly #all: readonly CentralConnection[];
  readonly #free: CentralConnection[];
  readonly #waiting: ((connection: CentralConnection) => void)[] = [];

  private constructor(connections: readonly CentralConnection[]) {
    this.#all = connections;
    this.#free = [...connections];
  }

  static async open(url: string, count: number): Promise<SharedConnections> {
    const opened: CentralConnection[] = [];
    for (let index = 0; index < count; index += 1)
      opened.push(await connectCentral({ url, connectTimeoutMs, queryTimeoutMs }));
    return new SharedConnections(opened);
  }

  async query(text: string, values?: unknown[]): ReturnType<CentralClient['query']> {
    const connection =
      this.#free.pop() ??
      (await new Promise<CentralConnection>((resolve) => {
        this.#waiting.push(resolve);
      }));
    try {
      return await connection.query(text, values);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(connection);
      else next(connection);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((connection) => connection.close()));
  }
}

/** What all hubs of the fleet take their events from. */
const sample: readonly BenchEvent[] = [...benchEvents(1000)];

/** A hub as the centre sees it: the only one of its site, with one member. */
export class FleetHub {
  readonly #who: Identity;
  readonly #memberId: string;
  #epoch: number;
  #seq = 0;
  #chain = chainStart;
  #cursor = 0;
  #cid: string | null = null;
  #rounds = 0;

  private constructor(who: Identity, epoch: number, memberId: string) {
    this.#who = who;
    this.#epoch = epoch;
    this.#memberId = memberId;
  }

  /** Becomes the hub that the code is for, and announces its member. */
  static async join(code: string, centre: Centre): Promise<FleetHub> {
    const token = randomBytes(32);
    const joined = await centre.join(joinCodeHash(code), {
      instance: randomUUID(),
      tokenHash: createHash('sha256').update(token).digest(),
      from: 0,
      chain: chainStart,
    });
    if (joined.status !== 'ok') throw new Error(joined.status);
    const { id, ...row } = memberRow(1, { created_at_ms: Date.now() });
    const hub = new FleetHub({ siteId: joined.site, hubId: joined.hub, token }, joined.epoch, id);
    await hub.#push(centre, hub.#batch('insert', { id, ...row, deleted_at_ms: null }, []));
    await hub.#pull(centre);
    await hub.idleRound(centre);
    return hub;
  }

  /** Nothing is new on either side. */
  idleRound(centre: Centre): Promise<Hello> {
    return centre.hello(this.#who, 'bench', syncSchemaNumber, Date.now());
  }

  /** Some events and a change of the member go up, and what comes of it comes down. */
  async busyRound(centre: Centre): Promise<void> {
    await this.idleRound(centre);
    this.#rounds += 1;
    const events = Array.from({ length: eventsOfRound }, (_, index): BenchEvent => {
      const [, ...rest] = sample[(this.#rounds * eventsOfRound + index) % sample.length] ?? [];
      return [randomUUID(), ...rest];
    });
    await this.#push(centre, this.#batch('update', { phone: `+49 30 ${this.#rounds}` }, events));
    await this.#pull(centre);
  }

  #batch(op: 'insert' | 'update', set: object, events: readonly BenchEvent[]): PushBatch {
    const prev = this.#chain;
    const from = this.#seq + 1;
    let chain = prev;
    const link = (tbl: string, pk: string, how: string): void => {
      this.#seq += 1;
      chain = linkOn(chain, { tbl, pk, op: how, digest: benchDigest(pk) });
    };
    link('member', this.#memberId, op);
    for (const [id] of events) link('access_event', String(id), 'insert');
    this.#chain = chain;
    const ops = [[from, 'member', this.#memberId, op, set, this.#cursor, Date.now() * 2048, false]];
    const bytes: Buffer[] = [];
    const seqs = events.map((_, index) => from + 1 + index);
    const appended = { tbl: 'access_event', names: eventColumns, rows: events, seqs };
    const segments = events.length === 0 ? [] : [encodeSegment(appended, bytes, 0)];
    return {
      from,
      to: this.#seq,
      prev,
      end: chain,
      ops: JSON.stringify(ops),
      segments: JSON.stringify(segments),
      bytes: Buffer.concat(bytes),
    };
  }

  async #push(centre: Centre, batch: PushBatch): Promise<void> {
    const answer = await centre.push(this.#who, this.#epoch, batch);
    if (answer.status !== 'ok' || answer.dead.length > 0) throw new Error(JSON.stringify(answer));
  }

  async #pull(centre: Centre): Promise<void> {
    const answer = await centre.pull(this.#who, this.#cursor, this.#cid, changesAtOnce);
    if (answer.status !== 'ok') throw new Error(answer.status);
    const last = answer.changes.at(-1);
    if (last === undefined) throw new Error('what went up comes down');
    this.#cursor = last.seq;
    this.#cid = last.cid;
  }
}
