import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { assert, unreachable } from '#hub/kernel/result.ts';
import { type Centre, CentreDenied, type Hello, type Identity } from '../central/centre.ts';
import { CentralFault } from '../central/faults.ts';
import type { LinkRow } from '../repository.ts';
import { type SyncProblemCode, syncSchemaNumber } from '../schema.ts';
import { chainStart } from './chain.ts';
import { decideIdentity, type IdentityFacts } from './identity-rules.ts';
import type { BatchLimits, OutboxReader } from './outbox-reader.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';

export interface RoundDeps {
  readonly centre: Centre;
  readonly outbox: OutboxReader;
  readonly keeper: ReplicaKeeper;
  /** This machine's. */
  readonly instance: string;
  readonly release: string;
  readonly nowMs: () => number;
  readonly report: (progress: Progress) => void;
  /** True when the hub stops: a round ends at the next batch. */
  readonly isStopping: () => boolean;
  /** Call after `workedMs` of work: pauses if this machine served requests meanwhile; returns whether it did. */
  readonly yieldToRequests: (workedMs: number) => Promise<boolean>;
}

/** Progress of a round, for people. */
export type Progress =
  | { readonly kind: 'head'; readonly head: number; readonly clockAheadMs: number }
  | { readonly kind: 'sent' | 'received'; readonly operations: number };

/** `problem` null: both sides are equal, as of the round. */
export interface RoundOutcome {
  readonly problem: { readonly code: SyncProblemCode; readonly evidence: string } | null;
}

const smallestBatch: BatchLimits = { operations: 1, bytes: 1 };
export const firstBatch: BatchLimits = { operations: 500, bytes: 262_144 };
const largestOperations = 4000;
/** Batch size while requests are served: a few milliseconds of work, so that no request waits long. */
const politeOperations = 100;
/** A batch that was taken so quickly may be followed by a larger one. */
const quickMs = 400;
const changesAtOnce = 500;
const rowsOfPage = 2000;
const tokenLifeMs = 30 * 86_400_000;

const isBadData = (error: unknown): boolean =>
  error instanceof CentralFault && error.sqlstate !== null && /^2[23]/.test(error.sqlstate);
/** A smaller batch may help: this one was too large or too slow. */
const isBatchTooLarge = (error: unknown): boolean =>
  error instanceof CentralFault && (error.sqlstate === '54000' || error.sqlstate === '57014');

const backfillPlace = z.object({ tbl: z.string(), after: z.string() });
const bootstrapPlace = z.object({
  /** Null: all of them. */
  tables: z.array(z.string()).nullable(),
  head: z.number().nullable(),
  cid: z.string().nullable(),
  tbl: z.string().nullable(),
  after: z.string().nullable(),
});

/** Another process pushed as this hub since the hello, so identity must be agreed on again. */
class Overtaken extends Error {}
const triesWhenOvertaken = 3;

/**
 * One exchange with the centre: who we are to each other, then everything up, then everything down. Can be cut at any point;
 * the next round goes on from what is noted here and there.
 */
export class Round {
  readonly #deps: RoundDeps;
  readonly #limits: { current: BatchLimits };

  /** `limits` outlive the round: how large batches may be was learned before. */
  constructor(deps: RoundDeps, limits: { current: BatchLimits }) {
    this.#deps = deps;
    this.#limits = limits;
  }

  /** Faults: `CentralFault` of the connection, and the store's. */
  async run(): Promise<RoundOutcome> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#run();
      } catch (error) {
        if (error instanceof Overtaken && tries < triesWhenOvertaken) continue;
        if (error instanceof CentreDenied) return { problem: { code: error.code, evidence: '' } };
        throw error;
      }
    }
  }

  async #run(): Promise<RoundOutcome> {
    const { outbox, keeper, report } = this.#deps;
    const link = this.#link();
    if (link.halted !== null && link.halted !== 'approved')
      return { problem: { code: link.halted, evidence: '' } };
    const hello = await this.#sayHello();
    report({ kind: 'head', head: hello.head, clockAheadMs: hello.clock_ahead_ms });
    const halted = await this.#agreeOnIdentity(link, hello);
    if (halted !== null) return { problem: { code: halted, evidence: '' } };
    const [oldest, newest] = hello.schema;
    if (syncSchemaNumber > newest)
      return {
        problem: {
          code: 'hubTooNew',
          evidence: `tables ${syncSchemaNumber}, the centre knows up to ${newest}`,
        },
      };
    while (this.#link().stage === 'seed' && !this.#deps.isStopping()) await keeper.announceNext();
    await this.#pushAll();
    if (this.#link().stage === 'backfill') await this.#backfill();
    if (syncSchemaNumber < oldest)
      return {
        problem: { code: 'hubTooOld', evidence: `tables ${syncSchemaNumber}, the centre asks for ${oldest}` },
      };
    await this.#pullAll(hello);
    await this.#rotateToken();
    // What was written here while the round went on.
    if (outbox.bounds().last > this.#link().acked) await this.#pushAll();
    return { problem: null };
  }

  #link(): LinkRow {
    const link = this.#deps.outbox.link();
    assert(link !== null, 'a hub that belongs to no centre makes no rounds');
    return link;
  }

  #identity(link = this.#link()): Identity {
    return { siteId: link.site_id, hubId: link.hub_id, token: link.token };
  }

  async #sayHello(): Promise<Hello> {
    const { centre, keeper, release, nowMs } = this.#deps;
    const link = this.#link();
    if (link.next_token !== null) {
      // Was the change of tokens done before the answer was lost?
      const next = { ...this.#identity(link), token: link.next_token };
      try {
        const answer = await centre.hello(next, release, syncSchemaNumber, nowMs());
        await keeper.noteToken({ current: link.next_token });
        return answer;
      } catch (error) {
        if (!(error instanceof CentreDenied)) throw error;
      }
    }
    return await centre.hello(this.#identity(link), release, syncSchemaNumber, nowMs());
  }

  /** Null when the round may go on. */
  async #agreeOnIdentity(link: LinkRow, hello: Hello): Promise<SyncProblemCode | null> {
    const { outbox, keeper, instance } = this.#deps;
    const { first, last } = outbox.bounds();
    const chains = outbox.chainsAt(link.epoch, hello.last_seq <= last ? [hello.last_seq] : []);
    const facts: IdentityFacts = {
      link: { epoch: link.epoch, acked: link.acked, isApproved: link.halted === 'approved' },
      hello: { epoch: hello.epoch, lastSeq: hello.last_seq, chain: hello.chain, instance: hello.instance },
      instance,
      // Rows that the centre has lost again may be gone here.
      chainThere: hello.last_seq + 1 < first ? null : (chains.get(hello.last_seq) ?? null),
    };
    const decision = decideIdentity(facts);
    switch (decision) {
      case 'goOn':
        // What the centre has beyond that goes up once more: its answer, which says what died, was lost.
        if (hello.last_seq < link.acked)
          await keeper.acknowledge({ epoch: link.epoch, seq: hello.last_seq, chain: hello.chain, dead: [] });
        return null;
      case 'adopt':
        await keeper.enterEpoch({
          epoch: hello.epoch,
          instance,
          from: hello.last_seq,
          chain: hello.chain,
          stage: 'bootstrap',
        });
        return null;
      case 'rewind':
        await this.#beginEpoch(link, hello);
        return null;
      case 'fenced':
      case 'machineChanged':
        await keeper.halt(decision);
        return decision;
      default:
        return unreachable(decision);
    }
  }

  /** A new epoch from the last point that both sides know; what came after it here goes up again. */
  async #beginEpoch(link: LinkRow, hello: Hello): Promise<void> {
    const { centre, outbox, keeper, instance } = this.#deps;
    const { first, last } = outbox.bounds();
    const { marks } = await centre.marks(this.#identity(link), hello.epoch, Math.min(last, hello.last_seq));
    const chains = outbox.chainsAt(link.epoch, marks.map(([seq]) => seq).reverse());
    const common = marks.find(([seq, chain]) => seq + 1 >= first && chains.get(seq) === chain);
    const [from, chain] = common ?? [last, chainStart];
    const begun = await centre.beginEpoch(this.#identity(link), {
      expected: hello.epoch,
      instance,
      from,
      chain,
    });
    if (begun.status !== 'ok') throw new Overtaken('another epoch was begun');
    // Where nothing in common is left, every row is announced as it is.
    const stage = common === undefined ? 'seed' : 'bootstrap';
    await keeper.enterEpoch({ epoch: begun.epoch, instance, from, chain, stage });
  }

  async #pushAll(): Promise<void> {
    const { centre, outbox, keeper, report, yieldToRequests } = this.#deps;
    const link = this.#link();
    const who = this.#identity(link);
    let at = { seq: link.acked, chain: link.acked_chain };
    let batch = outbox.nextBatch(at.seq, at.chain, this.#limits.current);
    let noted: Promise<void> = Promise.resolve();
    while (batch !== null && !this.#deps.isStopping()) {
      const startedMs = performance.now();
      const sent = centre.push(who, link.epoch, batch);
      // The next one is made while the centre works.
      let next = outbox.nextBatch(batch.to, batch.end, this.#limits.current);
      let answer: Awaited<typeof sent>;
      try {
        answer = await sent;
      } catch (error) {
        await noted;
        if (!this.#halve(error)) throw error;
        batch = outbox.nextBatch(at.seq, at.chain, this.#limits.current);
        continue;
      }
      const taken = answer;
      if (taken.status !== 'ok') throw new Overtaken(`the centre answered ${taken.status}`);
      const tookMs = performance.now() - startedMs;
      await noted;
      at = { seq: batch.to, chain: batch.end };
      noted = keeper.acknowledge({ epoch: link.epoch, ...at, dead: taken.dead });
      // Its failure is met where it is awaited.
      noted.catch(() => undefined);
      report({ kind: 'sent', operations: batch.to - batch.from + 1 });
      if (await yieldToRequests(tookMs)) this.#stepBack();
      else this.#grow(batch.to - batch.from + 1, tookMs);
      if (next === null) {
        await noted;
        next = outbox.nextBatch(at.seq, at.chain, this.#limits.current);
      }
      batch = next;
    }
    await noted;
  }

  /** Smaller batches after a failure that smaller ones may not have; false when it is another, or none is smaller. */
  #halve(error: unknown): boolean {
    const { operations, bytes } = this.#limits.current;
    const isSlow = error instanceof CentralFault && error.code === 'centralUnreachable';
    if (!isBatchTooLarge(error) && !isBadData(error) && !isSlow) return false;
    const isSmallest = operations === smallestBatch.operations;
    this.#limits.current = {
      operations: Math.max(smallestBatch.operations, Math.floor(operations / 2)),
      bytes: Math.max(smallestBatch.bytes, Math.floor(bytes / 2)),
    };
    // A connection that broke is made anew by the next round.
    return !isSlow && !isSmallest;
  }

  /** Small batches, between which others have their turn. */
  #stepBack(): void {
    const { operations, bytes } = this.#limits.current;
    this.#limits.current = {
      operations: Math.min(politeOperations, operations),
      bytes: Math.min(firstBatch.bytes, bytes),
    };
  }

  #grow(operations: number, tookMs: number): void {
    const { current } = this.#limits;
    if (tookMs > quickMs || operations < current.operations / 2) return;
    this.#limits.current = {
      operations: Math.min(largestOperations, current.operations * 2),
      bytes: Math.min(firstBatch.bytes, current.bytes * 2),
    };
  }

  async #backfill(): Promise<void> {
    const { centre, outbox, keeper, report, yieldToRequests } = this.#deps;
    const link = this.#link();
    const who = this.#identity(link);
    const place = link.place === null ? null : backfillPlace.parse(JSON.parse(link.place));
    const tables = outbox.appendTables();
    let limit = rowsOfPage;
    for (const tbl of tables.slice(place === null ? 0 : tables.indexOf(place.tbl))) {
      let after = place?.tbl === tbl ? place.after : '';
      for (;;) {
        if (this.#deps.isStopping()) return;
        const startedMs = performance.now();
        const page = outbox.backfillPage(tbl, after, limit);
        if (page.lastId === null) break;
        try {
          await centre.addRows(who, link.epoch, page.segments, page.bytes);
        } catch (error) {
          if (!isBadData(error) && !isBatchTooLarge(error)) throw error;
          if (limit > 1) {
            limit = Math.ceil(limit / 2);
            continue;
          }
          await keeper.addDeadLetter(
            tbl,
            page.lastId,
            error instanceof Error ? error.message : String(error),
          );
        }
        after = page.lastId;
        report({ kind: 'sent', operations: page.rows });
        limit = Math.min(rowsOfPage, limit * 2);
        await keeper.noteBackfill(JSON.stringify({ tbl, after }));
        await yieldToRequests(performance.now() - startedMs);
      }
    }
    await keeper.noteBackfill(null);
  }

  async #pullAll(hello: Hello): Promise<void> {
    const { centre, outbox, keeper, report, yieldToRequests } = this.#deps;
    const acked = this.#link().acked;
    for (;;) {
      if (this.#deps.isStopping()) return;
      const link = this.#link();
      if (link.stage === 'bootstrap') await this.#bootstrap(link);
      const { cursor, cid } = outbox.position();
      // Most rounds find nothing new on either side.
      const isQuiet = hello.head === cursor && hello.cid === cid && hello.last_seq === acked;
      if (isQuiet && link.stage === 'live') return;
      const answer = await centre.pull(this.#identity(), cursor, cid, changesAtOnce);
      if (answer.status !== 'ok') {
        await keeper.beginBootstrap(null);
        continue;
      }
      report({ kind: 'head', head: answer.head, clockAheadMs: -1 });
      if (answer.changes.length === 0) return;
      const startedMs = performance.now();
      await keeper.take(answer.changes);
      report({ kind: 'received', operations: answer.changes.length });
      await yieldToRequests(performance.now() - startedMs);
    }
  }

  /** Takes whole tables, from where an earlier round was cut. */
  async #bootstrap(link: LinkRow): Promise<void> {
    const { centre, keeper, report, yieldToRequests } = this.#deps;
    const who = this.#identity(link);
    let place = bootstrapPlace.parse(
      JSON.parse(link.place ?? '{"tables":null,"head":null,"cid":null,"tbl":null,"after":null}'),
    );
    // What has gone up since the stage was entered is in what comes now, and has no echo after it.
    if (place.head === null) await keeper.beginBootstrap(place.tables);
    const first = await centre.snapshot(who, '', null, 1);
    if (place.head === null) place = { ...place, head: first.head, cid: first.cid };
    const wanted = first.tables.filter((name) => place.tables === null || place.tables.includes(name));
    for (const tbl of wanted.slice(place.tbl === null ? 0 : Math.max(0, wanted.indexOf(place.tbl)))) {
      let page = centre.snapshot(who, tbl, place.tbl === tbl ? place.after : null, rowsOfPage);
      for (;;) {
        const { columns, rows } = await page;
        if (columns === null || rows.length === 0) break;
        const last = rows.at(-1)?.[columns.indexOf('id')];
        assert(typeof last === 'string', 'every row has an id');
        place = { ...place, tbl, after: last };
        // The next one is fetched while this one is written.
        const isFull = rows.length === rowsOfPage && !this.#deps.isStopping();
        if (isFull) page = centre.snapshot(who, tbl, last, rowsOfPage);
        // Its failure is met where it is awaited.
        page.catch(() => undefined);
        const startedMs = performance.now();
        await keeper.takePage({ tbl, columns, rows }, JSON.stringify(place));
        report({ kind: 'received', operations: rows.length });
        await yieldToRequests(performance.now() - startedMs);
        if (this.#deps.isStopping()) return;
        if (!isFull) break;
      }
    }
    assert(place.head !== null, 'the snapshot said where it stands');
    await keeper.finishBootstrap(place.head, place.cid);
  }

  async #rotateToken(): Promise<void> {
    const { centre, keeper, nowMs } = this.#deps;
    const link = this.#link();
    if (link.next_token === null && nowMs() - link.token_since_ms < tokenLifeMs) return;
    const next = link.next_token ?? randomBytes(32);
    // On the disk before the centre knows it.
    if (link.next_token === null) await keeper.noteToken({ next });
    await centre.rotateToken(this.#identity(link), createHash('sha256').update(next).digest());
  }
}
