import type { Selectable } from 'kysely';
import { isReversed } from '#hub/kernel/wire.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { AccountTable } from '../repository.ts';
import type { AccountSort, AccountStatus } from '../schema.ts';

export interface Account {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly username: string;
  readonly displayName: string;
  readonly status: AccountStatus;
  readonly memberId: string | null;
}

export const rowToAccount = (row: Selectable<AccountTable>): Account => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  username: row.username,
  displayName: row.display_name,
  status: row.status,
  memberId: row.member_id,
});

const accounts = (reader: Reader) =>
  reader.selectFrom('account').selectAll().where('deleted_at_ms', 'is', null);

// Asked at nearly every request.
const accountById = rememberedQuery(
  { id: '$id' },
  (reader, { id }) => accounts(reader).where('id', '=', id),
  ([row]) => (row === undefined ? null : rowToAccount(row)),
);
export const findAccount = (reader: Reader, id: string): Promise<Account | null> =>
  accountById(reader, { id });

export async function findAccountByUsername(reader: Reader, username: string): Promise<Account | null> {
  const row = await accounts(reader).where('username', '=', username).executeTakeFirst();
  return row === undefined ? null : rowToAccount(row);
}

export async function findAccountOfMember(reader: Reader, memberId: string): Promise<Account | null> {
  const row = await accounts(reader).where('member_id', '=', memberId).executeTakeFirst();
  return row === undefined ? null : rowToAccount(row);
}

export interface AccountFilter {
  readonly q?: string | undefined;
  readonly status?: AccountStatus | undefined;
}

/** The order of accounts; ids are made in the order of time. */
export const accountOrder = (sort: AccountSort): ListOrder => ({
  columns: sort.endsWith('username') ? ['username', 'id'] : ['id'],
  isDescending: isReversed(sort),
});
/** Where an account stands in `accountOrder`. */
export const placeOfAccount = (sort: AccountSort, account: Account): Place =>
  sort.endsWith('username') ? [account.username, account.id] : [account.id];

/** A page of rows. */
export interface RowPage {
  readonly order: ListOrder;
  readonly after: Place | null;
  readonly limit: number;
}

export async function listAccounts(
  reader: Reader,
  filter: AccountFilter,
  { order, after, limit }: RowPage,
): Promise<readonly Account[]> {
  let query = fittingAccounts(reader, filter).selectAll();
  if (after !== null) query = query.where(isAfter(order, after));
  return (await query.orderBy(inOrder(order)).limit(limit).execute()).map(rowToAccount);
}

export async function countAccounts(reader: Reader, filter: AccountFilter): Promise<number> {
  const row = await fittingAccounts(reader, filter)
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow();
  return row.rows;
}

function fittingAccounts(reader: Reader, filter: AccountFilter) {
  let query = reader.selectFrom('account').where('deleted_at_ms', 'is', null);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  const wanted = filter.q?.toLowerCase();
  if (wanted !== undefined)
    query = query.where((eb) =>
      eb.or([
        eb(eb.fn<number>('instr', ['username', eb.val(wanted)]), '>', 0),
        eb(eb.fn<number>('instr', [eb.fn('lower', ['display_name']), eb.val(wanted)]), '>', 0),
      ]),
    );
  return query;
}

// Passwords

export async function findPassword(reader: Reader, accountId: string): Promise<string | null> {
  const row = await reader
    .selectFrom('account_password')
    .select('phc')
    .where('account_id', '=', accountId)
    .executeTakeFirst();
  return row?.phc ?? null;
}

export async function savePassword(tx: Transaction, accountId: string, phc: string): Promise<void> {
  const values = { phc, changed_at_ms: tx.nowMs };
  await tx.local
    .insertInto('account_password')
    .values({ account_id: accountId, ...values })
    .onConflict((conflict) => conflict.column('account_id').doUpdateSet(values))
    .execute();
}
