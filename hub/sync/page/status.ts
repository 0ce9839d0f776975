import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { readCentralUrl } from '../central/url.ts';
import { findLink, type LinkRow } from '../repository.ts';
import { decideSyncState, haltProblem, problemWords } from '../rules.ts';
import type { SyncProblemCode, SyncStatus } from '../schema.ts';
import { countConflicts } from './conflict-repository.ts';
import { countDeadLetters } from './dead-letter-repository.ts';

/** Figures of the rounds that only the running process knows. */
export interface RoundFigures {
  /** Why the last round did not go through; null: it did, or there was none yet. */
  readonly problem: { readonly code: SyncProblemCode; readonly evidence?: string } | null;
  readonly lastSuccessMs: number | null;
  readonly nextTryMs: number | null;
  readonly sentPerMinute: number;
  readonly receivedPerMinute: number;
  /** Changes of the centre that are not here yet, as last heard. */
  readonly inboxWaiting: number;
  readonly clockAheadMs: number;
}

/** Reads the state of replication from the store and the process's figures. */
export async function readSyncStatus(reader: Reader, rounds: RoundFigures): Promise<SyncStatus> {
  const link = await findLink(reader);
  const outbox = link === undefined ? { waiting: 0, oldestAtMs: null } : await readOutbox(reader, link.acked);
  const code = haltProblem(link?.halted ?? null) ?? rounds.problem?.code ?? null;
  const seen = rounds.problem?.code === code ? rounds.problem?.evidence : undefined;
  return {
    link: link === undefined ? null : linkToWire(link),
    state: decideSyncState({
      isLinked: link !== undefined,
      halted: link?.halted ?? null,
      problem: rounds.problem?.code ?? null,
      isLive: link?.stage === 'live',
      hasHeard: rounds.lastSuccessMs !== null,
      waiting: outbox.waiting + rounds.inboxWaiting,
    }),
    problem:
      link === undefined || code === null
        ? null
        : { code, ...problemWords[code], ...(seen === undefined ? {} : { evidence: seen }) },
    lastSuccessAt:
      link === undefined ? null : toIsoOrNull(rounds.lastSuccessMs ?? (await findLastSuccess(reader, link))),
    nextTryAt: link === undefined ? null : toIsoOrNull(rounds.nextTryMs),
    outbox: {
      waiting: outbox.waiting,
      oldestAt: toIsoOrNull(outbox.oldestAtMs),
      sentPerMinute: rounds.sentPerMinute,
    },
    inbox: { waiting: rounds.inboxWaiting, receivedPerMinute: rounds.receivedPerMinute },
    conflicts: await countConflicts(reader, false),
    deadLetters: await countDeadLetters(reader, false),
    clockAheadMs: rounds.clockAheadMs,
  };
}

function linkToWire(link: LinkRow): NonNullable<SyncStatus['link']> {
  const { host, port } = readCentralUrl(link.central_url, link.central_ca !== null);
  return {
    siteId: link.site_id,
    siteName: link.site_name,
    hubId: link.hub_id,
    hubName: link.hub_name,
    centre: `${host}:${port}`,
    linkedAt: toIso(link.linked_at_ms),
    epoch: link.epoch,
    stage: link.stage,
  };
}

/** Numbers of `change` have no holes, so that nothing has to be counted. */
async function readOutbox(
  reader: Reader,
  acked: number,
): Promise<{ readonly waiting: number; readonly oldestAtMs: number | null }> {
  const { last } = await reader
    .selectFrom('change')
    .select(({ fn }) => fn.max('seq').as('last'))
    .executeTakeFirstOrThrow();
  const oldest = await reader
    .selectFrom('change')
    .select('at_ms')
    .where('seq', '>', acked)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
  return { waiting: Math.max(0, (last ?? 0) - acked), oldestAtMs: oldest?.at_ms ?? null };
}

const lastSuccessFact = 'sync.lastSuccess';

/** Saves when a round last succeeded, for the status after the next start; about once a minute is enough. */
export async function saveLastSuccess(tx: Transaction, atMs: number): Promise<void> {
  const value = String(atMs);
  await tx.local
    .insertInto('store_fact')
    .values({ name: lastSuccessFact, value, updated_at_ms: tx.nowMs })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, updated_at_ms: tx.nowMs }))
    .execute();
}

/** Finds when a round last succeeded before this start; null if none has since the link was made. */
async function findLastSuccess(reader: Reader, link: LinkRow): Promise<number | null> {
  const row = await reader
    .selectFrom('store_fact')
    .select('value')
    .where('name', '=', lastSuccessFact)
    .executeTakeFirst();
  return row === undefined || Number(row.value) < link.linked_at_ms ? null : Number(row.value);
}
