import type { Selectable } from 'kysely';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { SessionTable } from '../repository.ts';
import type { SessionKind } from '../rules.ts';
import type { RefreshState } from '../tokens/rules.ts';

export interface Session {
  readonly id: string;
  readonly accountId: string;
  readonly kind: SessionKind;
  /** Of the cookie, or of the family of refresh tokens. */
  readonly tokenHash: string;
  /** Null for a browser's. */
  readonly refresh: RefreshState | null;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number;
  readonly expiresAtMs: number;
  readonly remoteAddress: string;
  /** As `describeDevice` says it; may be empty. */
  readonly device: string;
}

const rowToSession = (row: Selectable<SessionTable>): Session => ({
  id: row.id,
  accountId: row.account_id,
  kind: row.kind,
  tokenHash: row.token_hash,
  refresh:
    row.refresh_hash === null
      ? null
      : {
          currentHash: row.refresh_hash,
          hashBefore: row.refresh_hash_before,
          refreshedAtMs: row.refreshed_at_ms,
        },
  createdAtMs: row.created_at_ms,
  lastUsedAtMs: row.last_used_at_ms,
  expiresAtMs: row.expires_at_ms,
  remoteAddress: row.remote_address,
  device: row.device,
});

export async function findSession(reader: Reader, id: string): Promise<Session | null> {
  const row = await reader.selectFrom('session').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToSession(row);
}

// Asked at every request of a page.
const sessionByToken = rememberedQuery(
  { tokenHash: '$tokenHash' },
  (reader, { tokenHash }) => reader.selectFrom('session').selectAll().where('token_hash', '=', tokenHash),
  ([row]) => (row === undefined ? null : rowToSession(row)),
);
export const findSessionByToken = (reader: Reader, tokenHash: string): Promise<Session | null> =>
  sessionByToken(reader, { tokenHash });

/** The last used first. */
export async function listSessions(reader: Reader, accountId: string): Promise<readonly Session[]> {
  const rows = await reader
    .selectFrom('session')
    .selectAll()
    .where('account_id', '=', accountId)
    .orderBy('last_used_at_ms', 'desc')
    .execute();
  return rows.map(rowToSession);
}

export interface SessionOfAccount extends Session {
  readonly username: string;
  readonly displayName: string;
}

export interface SessionFilter {
  readonly accountId?: string | undefined;
  readonly kind?: SessionKind | undefined;
}

/** Ids are made in the order of time. */
const newestFirst: ListOrder = { columns: ['session.id'], isDescending: true };

/** Of everybody, the newest first, alive or not. */
export async function listAllSessions(
  reader: Reader,
  filter: SessionFilter,
  { after, limit }: { readonly after: Place | null; readonly limit: number },
): Promise<readonly SessionOfAccount[]> {
  let query = reader
    .selectFrom('session')
    .innerJoin('account', 'account.id', 'session.account_id')
    .selectAll('session')
    .select(['account.username', 'account.display_name'])
    .orderBy(inOrder(newestFirst))
    .limit(limit);
  if (after !== null) query = query.where(isAfter(newestFirst, after));
  if (filter.accountId !== undefined) query = query.where('session.account_id', '=', filter.accountId);
  if (filter.kind !== undefined) query = query.where('session.kind', '=', filter.kind);
  const rows = await query.execute();
  return rows.map((row) => ({
    ...rowToSession(row),
    username: row.username,
    displayName: row.display_name,
  }));
}

export async function insertSession(tx: Transaction, session: Session): Promise<void> {
  await tx.local
    .insertInto('session')
    .values({
      id: session.id,
      account_id: session.accountId,
      kind: session.kind,
      token_hash: session.tokenHash,
      refresh_hash: session.refresh?.currentHash ?? null,
      refresh_hash_before: session.refresh?.hashBefore ?? null,
      refreshed_at_ms: session.refresh?.refreshedAtMs ?? null,
      created_at_ms: session.createdAtMs,
      last_used_at_ms: session.lastUsedAtMs,
      expires_at_ms: session.expiresAtMs,
      remote_address: session.remoteAddress,
      device: session.device,
    })
    .execute();
}

export async function touchSession(tx: Transaction, id: string, atMs: number): Promise<void> {
  await tx.local.updateTable('session').set({ last_used_at_ms: atMs }).where('id', '=', id).execute();
}

/** The next refresh token of the family is the current one now. */
export async function saveRefresh(
  tx: Transaction,
  id: string,
  refresh: { readonly currentHash: string; readonly hashBefore: string },
): Promise<void> {
  await tx.local
    .updateTable('session')
    .set({
      refresh_hash: refresh.currentHash,
      refresh_hash_before: refresh.hashBefore,
      refreshed_at_ms: tx.nowMs,
      last_used_at_ms: tx.nowMs,
    })
    .where('id', '=', id)
    .execute();
}

export async function deleteSessions(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.local.deleteFrom('session').where('id', 'in', ids).execute();
}

/** All of an account but the one named; how many there were. */
export async function deleteSessionsOf(
  tx: Transaction,
  accountId: string,
  exceptId: string | null = null,
): Promise<number> {
  let query = tx.local.deleteFrom('session').where('account_id', '=', accountId);
  if (exceptId !== null) query = query.where('id', '!=', exceptId);
  return Number((await query.executeTakeFirst()).numDeletedRows);
}

/** Ended by time, of whatever account: unused since `unusedSinceMs` of its kind, or past its end. */
export async function deleteStaleSessions(
  tx: Transaction,
  unusedSinceMs: Readonly<Record<SessionKind, number>>,
): Promise<void> {
  await tx.local
    .deleteFrom('session')
    .where((eb) =>
      eb.or([
        eb('expires_at_ms', '<=', tx.nowMs),
        ...(['browser', 'api'] as const).map((kind) =>
          eb.and([eb('kind', '=', kind), eb('last_used_at_ms', '<=', unusedSinceMs[kind])]),
        ),
      ]),
    )
    .execute();
}
