import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert } from '#hub/kernel/result.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';
import { connectOver, cut, type Line } from '../connections.ts';
import {
  type CentralSite,
  copyStore,
  differences,
  eventRow,
  memberRow,
  Replica,
  settle,
  startMs,
} from '../replicas.ts';

type Step = 'insert' | 'write' | 'remove' | 'append' | 'audit' | 'emptyAudit' | 'erase' | 'bad' | 'submit';
type Fate = 'round' | 'lostAnswer' | 'lostQuestion' | 'crash' | 'backUp' | 'restore' | 'clock';

/** How often each is chosen, of all together. */
const weights: Readonly<Record<Step | Fate, number>> = {
  insert: 6,
  write: 30,
  remove: 2,
  append: 10,
  audit: 5,
  emptyAudit: 2,
  erase: 2,
  bad: 2,
  submit: 8,
  round: 25,
  lostAnswer: 8,
  lostQuestion: 4,
  crash: 2,
  backUp: 2,
  restore: 1.5,
  clock: 5,
};

interface ModelHub {
  replica: Replica;
  readonly line: Line;
  readonly journal: string;
  /** A folder with an earlier state of its store. */
  backup: string | null;
  cursor: number;
}

/** Chooses steps by a seed and takes them on real stores and a real centre. */
export class RealModel {
  readonly #central: CentralSite;
  readonly site: string;
  readonly #hubs: readonly ModelHub[];
  readonly #random: () => number;
  readonly #folder: string;
  /** Ids of events that the centre has acknowledged. */
  readonly #kept = new Set<string>();
  readonly log: string[] = [];
  #members = 0;
  #events = 0;

  private constructor(central: CentralSite, site: string, hubs: readonly ModelHub[], random: () => number) {
    this.#central = central;
    this.site = site;
    this.#hubs = hubs;
    this.#random = random;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'mc-model-'));
  }

  static async open(central: CentralSite, seed: number, count: number): Promise<RealModel> {
    const site = await central.addSite();
    const hubs: ModelHub[] = [];
    for (let index = 0; index < count; index += 1) {
      const line: Line = {};
      const replica = await Replica.open({ connect: connectOver(line) });
      await replica.join(central, (await central.invite(site)).code);
      hubs.push({ replica, line, journal: randomUUID(), backup: null, cursor: 0 });
    }
    return new RealModel(central, site, hubs, seededRandom(seed));
  }

  async close(): Promise<void> {
    for (const { replica } of this.#hubs) await replica.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get replicas(): readonly Replica[] {
    return this.#hubs.map(({ replica }) => replica);
  }

  async step(): Promise<void> {
    const kind = this.#choose();
    const hub = this.#pick(this.#hubs);
    this.log.push(`${kind} ${this.#hubs.indexOf(hub)}`);
    switch (kind) {
      case 'insert':
      case 'write':
      case 'remove':
      case 'append':
      case 'audit':
      case 'emptyAudit':
      case 'erase':
      case 'bad':
        await this.#write(hub.replica, hub.journal, kind);
        break;
      case 'submit':
        await this.#submit();
        break;
      case 'round':
        await this.#round(hub);
        break;
      case 'lostAnswer':
      case 'lostQuestion':
        await this.#lose(hub, kind);
        break;
      case 'crash':
        hub.replica = await hub.replica.reopen();
        break;
      case 'backUp':
        hub.backup = path.join(this.#folder, String(this.#hubs.indexOf(hub)));
        hub.replica = await hub.replica.reopen((place) => copyStore(place, hub.backup ?? ''));
        break;
      case 'restore':
        await this.#restore(hub);
        break;
      case 'clock':
        hub.replica.clock.ms = startMs + this.#below(60_000);
        break;
    }
  }

  /** Everybody comes to rest; what is wrong then, in words. */
  async finish(): Promise<string[]> {
    await settle(...this.replicas);
    // What another hub was told of in the meantime.
    await settle(...this.replicas);
    const problems: string[] = [];
    for (const [index, hub] of this.#hubs.entries()) {
      const { replica } = hub;
      // One that was removed before it was repaired stays as it is here.
      const dead = replica
        .all("select pk from sync_dead_letter where direction = 'up' and resolved_at_ms is null")
        .map((row) => String(Reflect.get(Object(row), 'pk')));
      problems.push(
        ...(await differences(this.#central, this.site, replica))
          .filter((row) => !dead.some((pk) => row.includes(pk)))
          .map((row) => `hub ${index}: ${row}`),
      );
      problems.push(...(await this.#accountOf(replica)).map((row) => `hub ${index}: ${row}`));
    }
    const events = await this.#central.rows(this.site, 'access_event', ['id']);
    const there = new Set(events);
    for (const id of this.#kept)
      if (!there.has(JSON.stringify({ id }))) problems.push(`event ${id} was acknowledged and is gone`);
    problems.push(...(await this.#streamProblems()));
    return problems;
  }

  /** Good operations on all that the centre could not take. */
  async repair(): Promise<void> {
    for (const { replica } of this.#hubs) {
      await settle(...this.replicas);
      const rows = replica.all(
        "select distinct d.pk from sync_dead_letter d where d.direction = 'up' and d.resolved_at_ms is null",
      );
      for (const row of rows) {
        const id = String(Reflect.get(Object(row), 'pk'));
        await replica.store.transact('test.repair', (tx) => tx.write('member', id, { name: 'Repaired' }));
      }
    }
  }

  #choose(): Step | Fate {
    let left = this.#random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    for (const [kind, weight] of Object.entries(weights)) {
      left -= weight;
      if (left < 0 && isKind(kind)) return kind;
    }
    return 'round';
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    const found = list[this.#below(list.length)];
    assert(found !== undefined, 'the list is not empty');
    return found;
  }

  #memberOf(replica: Replica): string | null {
    const rows = replica.all('select id from member where deleted_at_ms is null order by id');
    return rows.length === 0 ? null : String(Reflect.get(Object(this.#pick(rows)), 'id'));
  }

  async #write(replica: Replica, journal: string, kind: Exclude<Step, 'submit'>): Promise<void> {
    const { store } = replica;
    replica.clock.ms += this.#below(50);
    if (kind === 'insert') {
      this.#members += 1;
      const row = memberRow(this.#members);
      await store.transact('model.insert', (tx) => tx.insert('member', row));
      return;
    }
    if (kind === 'append') {
      const rows = Array.from({ length: 1 + this.#below(4) }, () => {
        this.#events += 1;
        return eventRow(this.#events, { journal_id: journal });
      });
      await store.transact('model.append', (tx) => tx.appendAll('access_event', rows));
      return;
    }
    if (kind === 'audit') {
      await store.transact('model.audit', (tx) =>
        recordAudit(tx, {
          actor: { kind: 'system' },
          action: 'test',
          target: null,
          payload: { n: this.#below(9) },
        }),
      );
      return;
    }
    if (kind === 'emptyAudit') {
      const rows = replica.all('select id from audit_payload where body is not null order by id');
      if (rows.length === 0) return;
      const id = String(Reflect.get(Object(this.#pick(rows)), 'id'));
      await store.transact('model.emptyAudit', (tx) =>
        tx.erase('audit_payload', id, ['salt', 'actor_name', 'body']),
      );
      return;
    }
    const id = this.#memberOf(replica);
    if (id === null) return;
    if (kind === 'remove') await store.transact('model.remove', (tx) => tx.remove('member', id));
    else if (kind === 'erase')
      await store.transact('model.erase', (tx) => tx.erase('member', id, ['notes', 'phone']));
    else {
      const changes =
        kind === 'bad'
          ? { name: 'bad\0' }
          : Object.fromEntries(
              ['name', 'notes', 'phone', 'email']
                .filter(() => this.#random() < 0.4)
                .map((column) => [column, `${column} ${this.#below(1000)}`]),
            );
      await store.transact('model.write', (tx) => tx.write('member', id, changes));
    }
  }

  async #submit(): Promise<void> {
    const rows = await this.#central.rows(this.site, 'member', ['id']);
    if (rows.length === 0) return;
    const { id }: { id: string } = JSON.parse(this.#pick(rows));
    const column = this.#pick(['notes', 'phone', 'email']);
    await this.#central.submit(this.site, {
      tbl: 'member',
      pk: id,
      set: { [column]: `there ${this.#below(1000)}` },
    });
  }

  async #round(hub: ModelHub, mayFail = false): Promise<void> {
    const { problem } = await hub.replica.round();
    assert(
      problem === null || (mayFail && problem.code === 'centralUnreachable'),
      `a round goes through: ${problem?.code} ${problem?.evidence}`,
    );
    const link = hub.replica.outbox.link();
    const { cursor, settled } = hub.replica.outbox.position();
    assert(cursor >= hub.cursor, `the cursor never goes back: ${hub.cursor} ${cursor}`);
    hub.cursor = cursor;
    for (const row of hub.replica.all(
      "select pk from change where tbl = 'access_event' and seq > ? and seq <= ?",
      link?.base_seq ?? 0,
      link?.acked ?? 0,
    ))
      this.#kept.add(String(Reflect.get(Object(row), 'pk')));
    const lost = hub.replica.all(
      `select c.seq, j.key from change c, json_each(c.body) j, member m
       where c.tbl = 'member' and m.id = c.pk and c.seq > ? and j.key in ('name', 'notes', 'phone', 'email')
         and not exists (select 1 from change later, json_each(later.body) k
           where later.pk = c.pk and later.seq > c.seq and k.key = j.key)
         and not exists (select 1 from sync_dead_letter d where d.seq = c.seq and d.direction = 'up')
         and j.value is not case j.key when 'name' then m.name when 'notes' then m.notes when 'phone' then m.phone
           else m.email end`,
      settled,
    );
    assert(lost.length === 0, `what was written here and waits is still here: ${JSON.stringify(lost)}`);
  }

  async #lose(hub: ModelHub, kind: 'lostAnswer' | 'lostQuestion'): Promise<void> {
    let left = this.#below(6);
    const fail = (name: string): void => {
      left -= 1;
      if (left >= 0) return;
      this.log.push(`  ${name}`);
      throw cut();
    };
    if (kind === 'lostAnswer') hub.line.answered = fail;
    else hub.line.asking = fail;
    try {
      await this.#round(hub, true);
    } finally {
      delete hub.line.answered;
      delete hub.line.asking;
    }
  }

  async #restore(hub: ModelHub): Promise<void> {
    const { backup } = hub;
    if (backup === null) return;
    hub.replica = await hub.replica.reopen((place) => copyStore(backup, place));
    hub.cursor = hub.replica.outbox.position().cursor;
  }

  /** Of the epoch that a hub is in: every operation is a change, a dead letter, or a row of an append table. */
  async #accountOf(replica: Replica): Promise<string[]> {
    const link = replica.outbox.link();
    assert(link !== null, 'the hub belongs to a centre');
    const { rows } = await this.#central.admin.query<{ seq: number }>(
      `select origin_seq as seq from sync.change where stream_id = $1 and origin_hub = $2 and origin_epoch = $3
       union all select seq from sync.dead_letter where stream_id = $1 and hub_id = $2 and epoch = $3`,
      [this.site, link.hub_id, link.epoch],
    );
    const found = rows.map(({ seq }) => seq).sort((a, b) => a - b);
    const pushed = replica
      .all('select seq from change where body is not null and seq > ? order by seq', link.base_seq)
      .map((row) => Number(Reflect.get(Object(row), 'seq')));
    const last = await this.#central.value('select last_seq from sync.hub where hub_id = $1', link.hub_id);
    const broken = replica.all(
      `select seq from (select seq, prev_hash, lag(hash) over (order by seq) as before, lag(seq) over (order by seq) as last
         from audit_entry) where seq <> coalesce(last, 0) + 1 or (last is not null and prev_hash <> before)`,
    );
    return [
      ...(broken.length === 0 ? [] : [`the audit log does not hang together: ${JSON.stringify(broken)}`]),
      ...(found.join() === pushed.join()
        ? []
        : [`pushed ${pushed.join()}, but changes and dead letters are ${found.join()}`]),
      ...(last === replica.outbox.bounds().last ? [] : [`the centre has it up to ${String(last)}`]),
    ];
  }

  /** Of the whole stream: no number is missing or there twice, and each epoch's operations are in their order. */
  async #streamProblems(): Promise<string[]> {
    const { rows } = await this.#central.admin.query<{ problem: string }>(
      `select 'numbers of changes: ' || count(*) || ' up to ' || max(seq) as problem from sync.change
       where stream_id = $1 having count(*) <> max(seq) or min(seq) <> 1
       union all
       select 'out of order: ' || seq from (
         select seq, origin_seq <= lag(origin_seq) over (partition by origin_hub, origin_epoch order by seq) as is_late
         from sync.change where stream_id = $1 and origin_epoch > 0) c where is_late
       union all
       select 'head ' || head from sync.stream s where stream_id = $1
         and head <> (select coalesce(max(seq), 0) from sync.change c where c.stream_id = s.stream_id)
       union all
       select 'marks of epoch ' || epoch from (
         select epoch, seq, lag(epoch) over w as before, hub_id from sync.hub_mark where stream_id = $1
         window w as (partition by hub_id order by epoch, seq)) m where epoch > before + 1`,
      [this.site],
    );
    return rows.map(({ problem }) => problem);
  }
}

const isKind = (kind: string): kind is Step | Fate => kind in weights;
