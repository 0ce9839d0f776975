import type { Selectable } from 'kysely';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { AccessTokenTable, ServiceAccountTable } from '../repository.ts';
import { parsePermissions, printPermissions } from '../roles/repository.ts';
import type { AccountStatus } from '../schema.ts';
import type { ServiceAccountStatus } from './schema.ts';

export interface ServiceAccount {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly name: string;
  readonly purpose: string;
  readonly ownerId: string;
  /** As they are stored. */
  readonly scopes: readonly string[];
  readonly status: ServiceAccountStatus;
}

export interface AccessToken {
  readonly id: string;
  readonly serviceAccountId: string;
  readonly name: string;
  readonly tokenHash: string;
  /** Its last four characters. */
  readonly ending: string;
  /** Null: all of the service account. */
  readonly scopes: readonly string[] | null;
  readonly createdAtMs: number;
  /** Null: no end. */
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
  readonly lastUsedAddress: string | null;
  /** Who made its text and may know it; null: the command line. */
  readonly maker: { readonly id: string; readonly displayName: string; readonly active: boolean } | null;
}

export const rowToServiceAccount = (row: Selectable<ServiceAccountTable>): ServiceAccount => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  name: row.name,
  purpose: row.purpose,
  ownerId: row.owner_id,
  scopes: parsePermissions(row.scopes),
  status: row.status,
});

interface TokenRow extends Selectable<AccessTokenTable> {
  readonly maker_name: string | null;
  readonly maker_status: AccountStatus | null;
}

const rowToToken = (row: TokenRow): AccessToken => ({
  id: row.id,
  serviceAccountId: row.service_account_id,
  name: row.name,
  tokenHash: row.token_hash,
  ending: row.ending,
  scopes: row.scopes === null ? null : parsePermissions(row.scopes),
  createdAtMs: row.created_at_ms,
  expiresAtMs: row.expires_at_ms,
  lastUsedAtMs: row.last_used_at_ms,
  lastUsedAddress: row.last_used_address,
  maker:
    row.made_by === null
      ? null
      : { id: row.made_by, displayName: row.maker_name ?? '', active: row.maker_status === 'active' },
});

const serviceAccounts = (reader: Reader) =>
  reader.selectFrom('service_account').selectAll().where('deleted_at_ms', 'is', null);

export async function findServiceAccount(reader: Reader, id: string): Promise<ServiceAccount | null> {
  const row = await serviceAccounts(reader).where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToServiceAccount(row);
}

/** Names are compared without regard to (ASCII) case. */
export async function findServiceAccountNamed(reader: Reader, name: string): Promise<ServiceAccount | null> {
  const row = await serviceAccounts(reader)
    .where((eb) => eb(eb.fn<string>('lower', ['name']), '=', eb.fn<string>('lower', [eb.val(name)])))
    .executeTakeFirst();
  return row === undefined ? null : rowToServiceAccount(row);
}

export async function countServiceAccounts(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('service_account')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return row.count;
}

export interface ServiceAccountPage {
  readonly after: Place | null;
  readonly limit: number;
}
/** Ids are made in the order of time. */
const orderOfCreation: ListOrder = { columns: ['id'], isDescending: false };

/** In the order of creation. */
export async function listServiceAccounts(
  reader: Reader,
  { after, limit }: ServiceAccountPage,
): Promise<readonly ServiceAccount[]> {
  let query = serviceAccounts(reader).orderBy(inOrder(orderOfCreation)).limit(limit);
  if (after !== null) query = query.where(isAfter(orderOfCreation, after));
  return (await query.execute()).map(rowToServiceAccount);
}

export async function findOwners(
  reader: Reader,
  ownerIds: readonly string[],
): Promise<ReadonlyMap<string, { readonly displayName: string; readonly active: boolean }>> {
  if (ownerIds.length === 0) return new Map();
  const rows = await reader
    .selectFrom('account')
    .select(['id', 'display_name', 'status'])
    .where('id', 'in', [...new Set(ownerIds)])
    .execute();
  return new Map(
    rows.map((row) => [row.id, { displayName: row.display_name, active: row.status === 'active' }]),
  );
}

/** Columns of a service account as they are stored. */
export const serviceAccountColumns = (account: {
  readonly name: string;
  readonly purpose: string;
  readonly ownerId: string;
  readonly scopes: readonly string[];
}) => ({
  name: account.name,
  purpose: account.purpose,
  owner_id: account.ownerId,
  scopes: printPermissions(account.scopes),
});

// Tokens

/** In the order of creation. */
export async function listTokens(
  reader: Reader,
  serviceAccountIds: readonly string[],
): Promise<readonly AccessToken[]> {
  if (serviceAccountIds.length === 0) return [];
  const rows = await reader
    .selectFrom('access_token')
    .leftJoin('account as maker', (join) =>
      join.onRef('maker.id', '=', 'access_token.made_by').on('maker.deleted_at_ms', 'is', null),
    )
    .selectAll('access_token')
    .select(['maker.display_name as maker_name', 'maker.status as maker_status'])
    .where('service_account_id', 'in', serviceAccountIds)
    .orderBy('access_token.id')
    .execute();
  return rows.map(rowToToken);
}

/** Everything needed to authenticate a token, in one read. */
export interface TokenHolder {
  readonly token: AccessToken;
  readonly serviceAccount: Pick<ServiceAccount, 'id' | 'name' | 'scopes' | 'status' | 'ownerId'>;
  readonly ownerStatus: AccountStatus;
}

const tokenHolders = (reader: Reader) =>
  reader
    .selectFrom('access_token')
    .innerJoin('service_account', 'service_account.id', 'access_token.service_account_id')
    .innerJoin('account', 'account.id', 'service_account.owner_id')
    .leftJoin('account as maker', (join) =>
      join.onRef('maker.id', '=', 'access_token.made_by').on('maker.deleted_at_ms', 'is', null),
    )
    .selectAll('access_token')
    .select([
      'maker.display_name as maker_name',
      'maker.status as maker_status',
      'service_account.name as holder_name',
      'service_account.scopes as holder_scopes',
      'service_account.status as holder_status',
      'service_account.owner_id',
      'account.status as owner_status',
    ])
    .where('service_account.deleted_at_ms', 'is', null)
    .where('account.deleted_at_ms', 'is', null);
type HolderRow = Awaited<ReturnType<ReturnType<typeof tokenHolders>['executeTakeFirstOrThrow']>>;

const rowToHolder = (row: HolderRow): TokenHolder => ({
  token: rowToToken(row),
  serviceAccount: {
    id: row.service_account_id,
    name: row.holder_name,
    scopes: parsePermissions(row.holder_scopes),
    status: row.holder_status,
    ownerId: row.owner_id,
  },
  ownerStatus: row.owner_status,
});

export async function findTokenHolder(
  reader: Reader,
  by: { readonly tokenHash: string } | { readonly tokenId: string },
): Promise<TokenHolder | null> {
  const query = tokenHolders(reader);
  const row = await ('tokenHash' in by
    ? query.where('access_token.token_hash', '=', by.tokenHash)
    : query.where('access_token.id', '=', by.tokenId)
  ).executeTakeFirst();
  return row === undefined ? null : rowToHolder(row);
}

export async function insertToken(tx: Transaction, token: AccessToken): Promise<void> {
  await tx.local
    .insertInto('access_token')
    .values({
      id: token.id,
      service_account_id: token.serviceAccountId,
      name: token.name,
      token_hash: token.tokenHash,
      ending: token.ending,
      scopes: token.scopes === null ? null : printPermissions(token.scopes),
      created_at_ms: token.createdAtMs,
      expires_at_ms: token.expiresAtMs,
      last_used_at_ms: token.lastUsedAtMs,
      last_used_address: token.lastUsedAddress,
      made_by: token.maker?.id ?? null,
    })
    .execute();
}

export async function touchToken(
  tx: Transaction,
  id: string,
  used: { readonly atMs: number; readonly address: string },
): Promise<void> {
  await tx.local
    .updateTable('access_token')
    .set({ last_used_at_ms: used.atMs, last_used_address: used.address })
    .where('id', '=', id)
    .execute();
}

export async function deleteToken(tx: Transaction, id: string): Promise<void> {
  await tx.local.deleteFrom('access_token').where('id', '=', id).execute();
}

export async function deleteTokensOf(tx: Transaction, serviceAccountId: string): Promise<void> {
  await tx.local.deleteFrom('access_token').where('service_account_id', '=', serviceAccountId).execute();
}
