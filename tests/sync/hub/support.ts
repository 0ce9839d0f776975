import { randomBytes } from 'node:crypto';
import { memberCreateSchema } from '#hub/domains/members/member/schema.ts';
import { createMember } from '#hub/domains/members/member/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { Transaction } from '#hub/store/store.ts';
import { sync as syncDomain } from '#hub/sync/domain.ts';
import type { SyncPageDeps } from '#hub/sync/page/deps.ts';
import { insertSyncDeadLetter, type LinkRow, saveLink } from '#hub/sync/repository.ts';
import { type RunningSync } from '#hub/sync/workflow.ts';
import { catalog, permissions } from '#tests/_support/open-domains.ts';
import { accepted, type Bench, openBench, staff } from '#tests/access/support.ts';

export const grace: Principal = {
  kind: 'account',
  accountId: '01890000-0000-7000-8000-000000000001',
  displayName: 'Grace',
  permissions: new Set(permissions),
  sessionId: 'session',
};
export const ownHub = '11111111-1111-4111-8111-111111111111';
export const otherHub = '22222222-2222-4222-8222-222222222222';
export const centreHub = '00000000-0000-0000-0000-000000000000';

/** As a hub that is linked has it; halted, so that nothing goes out by itself. */
export const linkOf = (more: Partial<LinkRow> = {}): Omit<LinkRow, 'id'> => ({
  central_url: 'postgres://hub:hunter2@127.0.0.1:1/makrcave',
  central_ca: null,
  site_id: '33333333-3333-4333-8333-333333333333',
  site_name: 'Werkraum Nord',
  hub_id: ownHub,
  hub_name: 'Front door',
  next_token: null,
  token: randomBytes(32),
  token_since_ms: 0,
  linked_at_ms: 0,
  epoch: 1,
  instance: '44444444-4444-4444-8444-444444444444',
  base_seq: 0,
  acked: 0,
  acked_chain: '0'.repeat(64),
  stage: 'live',
  place: null,
  halted: 'fenced',
  columns: null,
  ...more,
});

/** Notes a conflict as the centre does. */
export async function addConflict(
  tx: Transaction,
  conflict: {
    readonly table: string;
    readonly rowId: string;
    readonly column: string;
    readonly kept: string | number | null;
    readonly lost: string | number | null;
    readonly keptBy?: string;
    readonly lostBy?: string;
    readonly atMs?: number;
  },
): Promise<string> {
  const id = newId();
  const atMs = conflict.atMs ?? tx.nowMs;
  await tx.insert('sync_conflict', {
    id,
    tbl: conflict.table,
    pk: conflict.rowId,
    col: conflict.column,
    kept: JSON.stringify(conflict.kept),
    lost: JSON.stringify(conflict.lost),
    kept_by: conflict.keptBy ?? centreHub,
    lost_by: conflict.lostBy ?? ownHub,
    kept_at_ms: atMs - 60_000,
    lost_at_ms: atMs - 120_000,
    settled_at_ms: null,
    settled_by: null,
  });
  return id;
}

export async function addDeadLetter(
  tx: Transaction,
  letter: {
    readonly table: string;
    readonly rowId: string;
    readonly direction?: 'up' | 'down';
    readonly problem?: string;
    readonly body?: string;
  },
): Promise<string> {
  const id = newId();
  await insertSyncDeadLetter(tx, {
    id,
    direction: letter.direction ?? 'up',
    seq: 7,
    tbl: letter.table,
    pk: letter.rowId,
    problem: letter.problem ?? '23514: member_name_check',
    body: letter.body ?? '{"name":"x"}',
  });
  return id;
}

export interface SyncBench extends Bench {
  readonly sync: RunningSync;
  readonly parts: SyncPageDeps;
  readonly memberId: string;
}

/** Replication on a store, with everything that follows from rows. */
export function syncPartsOf({ store, running }: Pick<Bench, 'store' | 'running'>): {
  readonly sync: RunningSync;
  readonly parts: SyncPageDeps;
} {
  const { sync, follow } = running.of(syncDomain);
  return { sync, parts: { store, tables: catalog.tables, sync, follow } };
}

/** A real store with doors and one member on it. */
export async function openSyncBench(): Promise<SyncBench> {
  const bench = await openBench();
  const member = accepted(
    await createMember(bench.members, staff, memberCreateSchema.parse({ name: 'Mia Maker', phone: '111' })),
  );
  bench.announced.length = 0;
  return { ...bench, ...syncPartsOf(bench), memberId: member.id };
}

export const link = (bench: Pick<SyncBench, 'store'>, more: Partial<LinkRow> = {}): Promise<void> =>
  bench.store.transact('test.link', (tx) => saveLink(tx, linkOf(more)));
