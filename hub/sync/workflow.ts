import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { Fault, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Announce } from '#hub/store/announce.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import { readPosition } from '#hub/store/writing/replicated-writes.ts';
import type { FieldRefusal } from '#hub/store/written.ts';
import { CentralFault } from './central/faults.ts';
import { readCentralUrl } from './central/url.ts';
import { SyncEngine } from './engine/engine.ts';
import { createStoreKeeper } from './engine/store-keeper.ts';
import { type JoinRequest, join, lookUpCode } from './link/join-workflow.ts';
import { type RoundFigures, readSyncStatus, saveLastSuccess } from './page/status.ts';
import { changeLink, deleteLink, findLink, pruneMarks } from './repository.ts';
import { haltProblem } from './rules.ts';
import type { LinkRequest, SyncState, SyncStatus } from './schema.ts';
import type { CentralRefusal, Follow, LinkRefusal, Sync } from './sync.ts';

export interface SyncDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly announce: Announce;
  readonly follow: Follow;
  /** The id of the space, or null while this hub has no owner. */
  readonly findSiteId: (reader: Reader) => Promise<string | null>;
  /** This machine's, as `readMachineInstance` says. */
  readonly instance: string;
  readonly release: string;
  readonly pollSeconds: number;
  /** Requests that the hub has answered so far: replication slows down while this grows. */
  readonly answeredRequests: () => number;
}

const marksKeptMs = 35 * 86_400_000;
/** Minimum interval between announcements of progress to live pages. */
const announceEveryMs = 1000;

/** Replication with the central database, as the hub starts and stops it. */
export class RunningSync implements Sync {
  readonly #deps: SyncDeps;
  readonly #engine: SyncEngine;
  #state: SyncState = 'notLinked';
  #announcedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: SyncDeps) {
    this.#deps = deps;
    const { store, log, clock, instance, release, answeredRequests } = deps;
    this.#engine = new SyncEngine({
      store,
      keeper: createStoreKeeper(deps),
      log,
      clock,
      instance,
      release,
      pollMs: deps.pollSeconds * 1000,
      answeredRequests,
      onChanged: () => void this.#onRound(),
    });
  }

  /** Whether this hub belonged to a centre when `status` last read it. */
  get isLinked(): boolean {
    return this.#state !== 'notLinked';
  }

  /** Reads the state of replication. Call it before anything is written in this process. */
  async load(): Promise<void> {
    const { store } = this.#deps;
    store.replication.wholeRows = (await findLink(store.read))?.stage === 'seed';
    await this.status();
  }

  /** Starts rounds if this hub belongs to a centre. */
  async start(): Promise<void> {
    const { store } = this.#deps;
    const link = await findLink(store.read);
    if (link === undefined) return;
    if (link.stage === 'live' && hasOtherColumns(store, link.columns))
      await this.#engine.keeper.beginBootstrap(otherTables(store, link.columns));
    this.#engine.start();
  }

  /** Prunes old marks and saves when the last round succeeded. */
  async maintain(): Promise<void> {
    const { store } = this.#deps;
    const { lastSuccessMs } = this.#engine.state;
    await store.transact('sync.maintain', async (tx) => {
      await pruneMarks(tx, tx.nowMs - marksKeptMs);
      if (lastSuccessMs !== null) await saveLastSuccess(tx, lastSuccessMs);
    });
  }

  /** Finds the first row of the outbox that is still needed; null without a centre. */
  async neededFrom(): Promise<number | null> {
    const link = await findLink(this.#deps.store.read);
    return link === undefined ? null : link.acked + 1;
  }

  async status(): Promise<SyncStatus> {
    const read = await readSyncStatus(this.#deps.store.read, await this.#roundFigures());
    this.#state = read.state;
    return read;
  }

  announceChanged(): void {
    this.#deps.announce({ topic: 'sync.changed', data: { state: this.#state } });
  }

  async link(actor: Actor, request: LinkRequest): Promise<Result<SyncStatus, LinkRefusal>> {
    const { store } = this.#deps;
    if ((await findLink(store.read)) !== undefined) return refuse({ code: 'alreadyLinked' });
    const siteId = await this.#deps.findSiteId(store.read);
    if (siteId === null) return refuse({ code: 'notClaimed' });
    const address = checkAddress(request);
    if (address !== null) return refuse(address);
    try {
      const found = await lookUpCode(request);
      if (!found.ok) return refuse(codeWrong);
      // Rows of two spaces would be mixed for ever.
      if (found.value.space !== null && found.value.space !== siteId) return refuse({ code: 'siteHasData' });
      const joined = await join(this.#deps, request, 'seed');
      if (!joined.ok) return refuse(codeWrong);
      await store.transact('sync.linked', (tx) =>
        recordAudit(tx, {
          actor,
          action: 'sync.link',
          target: { table: 'sync_link', id: joined.value.hub },
          payload: { site: joined.value.site_name, hub: joined.value.hub_name },
        }),
      );
    } catch (error) {
      const refusal = centralRefusal(error);
      if (refusal === null) throw error;
      return refuse(refusal);
    }
    this.#engine.start();
    return ok(await this.#changed());
  }

  async unlink(actor: Actor): Promise<Result<SyncStatus, Refusal<'notLinked'>>> {
    const { store } = this.#deps;
    await this.#engine.stop();
    const unlinked = await store.transact('sync.unlink', async (tx) => {
      const link = await findLink(tx);
      if (link === undefined) return refuse({ code: 'notLinked' as const });
      await deleteLink(tx);
      const target = { table: 'sync_link', id: link.hub_id };
      await recordAudit(tx, { actor, action: 'sync.unlink', target, payload: { site: link.site_name } });
      return ok(null);
    });
    store.replication.wholeRows = false;
    return unlinked.ok ? ok(await this.#changed()) : unlinked;
  }

  async runNow(): Promise<Result<SyncStatus, Refusal<'notLinked'>>> {
    this.#engine.runNow();
    const now = await this.status();
    return now.link === null ? refuse({ code: 'notLinked' }) : ok(now);
  }

  async approve(actor: Actor): Promise<Result<SyncStatus, Refusal<'notLinked' | 'nothingToApprove'>>> {
    const { store } = this.#deps;
    const approved = await store.transact('sync.approve', async (tx) => {
      const link = await findLink(tx);
      if (link === undefined) return refuse({ code: 'notLinked' as const });
      const problem = haltProblem(link.halted);
      if (problem === null) return refuse({ code: 'nothingToApprove' as const });
      await changeLink(tx, { halted: 'approved' });
      const target = { table: 'sync_link', id: link.hub_id };
      await recordAudit(tx, { actor, action: 'sync.continue', target, payload: { problem } });
      return ok(null);
    });
    if (!approved.ok) return approved;
    this.#engine.runNow();
    return ok(await this.#changed());
  }

  async freshCopy(tx: Transaction, table: string): Promise<void> {
    const place = { tables: [table], head: null, cid: null, tbl: null, after: null };
    await changeLink(tx, { stage: 'bootstrap', place: JSON.stringify(place) });
    tx.afterCommit(() => this.#engine.runNow());
  }

  close(): Promise<void> {
    return this.#engine.stop();
  }

  async #roundFigures(): Promise<RoundFigures> {
    const seen = this.#engine.state;
    const { cursor } = await readPosition(this.#deps.store.read);
    return {
      problem: seen.problem,
      lastSuccessMs: seen.lastSuccessMs,
      nextTryMs: seen.isRunning ? null : seen.nextTryMs,
      sentPerMinute: seen.sentPerMinute,
      receivedPerMinute: seen.receivedPerMinute,
      inboxWaiting: Math.max(0, (seen.head ?? cursor) - cursor),
      clockAheadMs: seen.clockAheadMs,
    };
  }

  async #onRound(): Promise<void> {
    const nowMs = performance.now();
    const before = this.#state;
    try {
      await this.status();
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the state of replication cannot be read');
      return;
    }
    if (this.#state === before && nowMs - this.#announcedAtMs < announceEveryMs) return;
    this.#announcedAtMs = nowMs;
    this.announceChanged();
  }

  async #changed(): Promise<SyncStatus> {
    const now = await this.status();
    this.announceChanged();
    return now;
  }
}

const codeWrong: FieldRefusal<'codeWrong'> = {
  code: 'codeWrong',
  errors: [{ pointer: '/body/code', message: 'is not known at the centre, was used already, or is too old' }],
};

function checkAddress({
  url,
  ca,
}: Pick<JoinRequest, 'url' | 'ca'>): FieldRefusal<'centralAddressInvalid'> | null {
  try {
    readCentralUrl(url, ca !== undefined);
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { code: 'centralAddressInvalid', errors: [{ pointer: '/body/url', message: error.message }] };
  }
}

/** Maps a `CentralFault` to a refusal; null for any other error. */
function centralRefusal(error: unknown): CentralRefusal | null {
  return error instanceof CentralFault ? { code: error.code, detail: error.message } : null;
}

function readColumns(columns: string | null): Readonly<Record<string, readonly string[]>> {
  const read: unknown = columns === null ? {} : JSON.parse(columns);
  return isColumnLists(read) ? read : {};
}
const isColumnLists = (value: unknown): value is Readonly<Record<string, readonly string[]>> =>
  typeof value === 'object' && value !== null && Object.values(value).every(Array.isArray);

/** Lists tables with columns added since their last bootstrap. */
function otherTables(store: Pick<Store, 'replication'>, columns: string | null): readonly string[] {
  const before = readColumns(columns);
  return store.replication.tables
    .filter(({ name, columns: now }) => now.some((column) => before[name]?.includes(column) !== true))
    .map(({ name }) => name);
}
const hasOtherColumns = (store: Pick<Store, 'replication'>, columns: string | null): boolean =>
  otherTables(store, columns).length > 0;
