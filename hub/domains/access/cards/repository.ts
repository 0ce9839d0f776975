import type { Selectable } from 'kysely';
import type { CredentialStatus } from '#hub/domains/members/schema.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import { batchesOf } from '#hub/store/batches.ts';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import { fixedQuery, listed } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader } from '#hub/store/store.ts';
import { type CardRead, cardReadSchema } from '../schema.ts';
import type { CredentialTable } from '../tables.ts';
import type { CredentialSort } from './schema.ts';

export interface CredentialRow extends RowStamp {
  readonly memberId: string;
  readonly kind: 'card' | 'pin';
  readonly label: string;
  readonly status: CredentialStatus;
  readonly assurance: number;
  readonly validFromMs: number | null;
  readonly validUntilMs: number | null;
  readonly masked: string;
}
export const toCredential = (row: Selectable<CredentialTable>): CredentialRow => ({
  ...stampOf(row),
  memberId: row.member_id,
  kind: row.kind,
  label: row.label,
  status: row.status,
  assurance: row.assurance,
  validFromMs: row.valid_from_ms,
  validUntilMs: row.valid_until_ms,
  masked: row.masked,
});

const credentialById = fixedQuery({ id: '$id' }, (reader, { id }) =>
  reader.selectFrom('credential').selectAll().where('id', '=', id).where('deleted_at_ms', 'is', null),
);
export async function findCredential(reader: Reader, id: string): Promise<CredentialRow | null> {
  const [row] = await credentialById(reader, { id });
  return row ? toCredential(row) : null;
}

const cardsOfMember = fixedQuery({ memberId: '$memberId', limit: -1 }, (reader, { memberId, limit }) =>
  reader
    .selectFrom('credential')
    .selectAll()
    .where('member_id', '=', memberId)
    .where('kind', '=', 'card')
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .limit(limit),
);
/** A member's cards, the oldest first. */
export const findCardsOfMember = async (
  reader: Reader,
  memberId: string,
  limit: number,
): Promise<readonly CredentialRow[]> => (await cardsOfMember(reader, { memberId, limit })).map(toCredential);

export async function findCredentialsById(
  reader: Reader,
  ids: readonly string[],
): Promise<Map<string, CredentialRow>> {
  const found = new Map<string, CredentialRow>();
  for (const batch of batchesOf([...new Set(ids)])) {
    const rows = await reader
      .selectFrom('credential')
      .selectAll()
      .where('id', 'in', batch)
      .where('deleted_at_ms', 'is', null)
      .execute();
    for (const row of rows) found.set(row.id, toCredential(row));
  }
  return found;
}

export interface CredentialFilter {
  readonly kind?: 'card' | 'pin';
  readonly memberIds?: readonly string[];
  readonly status?: CredentialStatus;
  readonly credentialIds?: readonly string[];
  readonly labelPart?: string;
}

/** The order of credentials. */
export const credentialOrder = (sort: CredentialSort): ListOrder => ({
  columns: sort.endsWith('createdAt') ? ['id'] : ['updated_at_ms', 'id'],
  isDescending: isReversed(sort),
});
/** Where a row stands in `credentialOrder`. */
export const placeOfCredential = (sort: CredentialSort, row: CredentialRow): Place =>
  sort.endsWith('createdAt') ? [row.id] : [row.updatedAtMs, row.id];

/** A page of rows; without an order the oldest first. */
export interface CredentialPage {
  readonly order?: ListOrder;
  readonly after?: Place | null;
  readonly limit: number;
}

function fittingCredentials(reader: Reader, filter: CredentialFilter) {
  let query = reader.selectFrom('credential').where('deleted_at_ms', 'is', null);
  if (filter.memberIds !== undefined) query = query.where('member_id', 'in', filter.memberIds);
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.credentialIds !== undefined) query = query.where('id', 'in', filter.credentialIds);
  if (filter.labelPart !== undefined)
    query = query.where('label', 'like', `%${filter.labelPart.replaceAll(/[%_]/g, '')}%`);
  return query;
}

export async function countCredentials(reader: Reader, filter: CredentialFilter): Promise<number> {
  const row = await fittingCredentials(reader, filter)
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow();
  return row.rows;
}

/** Credentials; `memberIds`, `credentialIds` and `labelPart` are alternatives of one search. */
export async function findCredentials(
  reader: Reader,
  filter: CredentialFilter,
  { order = credentialOrder('createdAt'), after = null, limit }: CredentialPage,
): Promise<CredentialRow[]> {
  let query = fittingCredentials(reader, filter).selectAll();
  if (after !== null) query = query.where(isAfter(order, after));
  return (await query.orderBy(inOrder(order)).limit(limit).execute()).map(toCredential);
}

const idsOfMembers = fixedQuery({ memberIds: '$memberIds' }, (reader, { memberIds }) =>
  reader
    .selectFrom('credential')
    .select('id')
    .where('member_id', 'in', listed(memberIds))
    .where('deleted_at_ms', 'is', null),
);
/** Ids of the credentials of these members. */
export async function findCredentialIdsOf(reader: Reader, memberIds: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const batch of batchesOf(memberIds)) {
    for (const row of await idsOfMembers(reader, { memberIds: JSON.stringify(batch) })) ids.push(row.id);
  }
  return ids;
}

/** Ids of all credentials, `limit` at a time. */
export async function findCredentialIdsAfter(
  reader: Reader,
  afterId: string,
  limit: number,
): Promise<string[]> {
  const rows = await reader
    .selectFrom('credential')
    .select('id')
    .where('id', '>', afterId)
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/** A card that a reading may be of. */
export interface ReadingOwner {
  readonly credentialId: string;
  /** A reader delivered it; false: computed from a wider reading. */
  readonly seen: boolean;
  readonly isRetired: boolean;
}

/** The cards that have this reading, those first of which a reader delivered it. */
export async function findReadingOwners(reader: Reader, read: CardRead): Promise<readonly ReadingOwner[]> {
  const rows = await reader
    .selectFrom('credential_reading')
    .innerJoin('credential', 'credential.id', 'credential_reading.credential_id')
    .select(['credential_id', 'seen', 'status'])
    .where('reading', '=', read.reading)
    .where('bits', '=', read.bits)
    .where('hex', '=', read.hex)
    .where('deleted_at_ms', 'is', null)
    .orderBy('seen', 'desc')
    .orderBy('credential_id')
    .execute();
  return rows.map(({ credential_id, seen, status }) => ({
    credentialId: credential_id,
    seen: seen === 1,
    isRetired: status === 'retired',
  }));
}

/** A card that claims a reading. */
export interface ReadingClaim {
  readonly credentialId: string;
  readonly read: CardRead;
  readonly seen: boolean;
}

/** Every reading of these credentials, with all other credentials that have it too. */
export async function findClaims(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<readonly ReadingClaim[]> {
  const claims = new Map<string, ReadingClaim>();
  for (const batch of batchesOf(credentialIds)) {
    const rows = await reader
      .selectFrom('credential_reading as mine')
      .innerJoin('credential_reading as claim', (join) =>
        join
          .onRef('claim.reading', '=', 'mine.reading')
          .onRef('claim.bits', '=', 'mine.bits')
          .onRef('claim.hex', '=', 'mine.hex'),
      )
      .select(['claim.credential_id', 'claim.reading', 'claim.bits', 'claim.hex', 'claim.seen'])
      .where('mine.credential_id', 'in', batch)
      .execute();
    for (const { credential_id, seen, ...read } of rows)
      claims.set(`${credential_id}/${read.reading}:${read.bits}:${read.hex}`, {
        credentialId: credential_id,
        read: cardReadSchema.parse(read),
        seen: seen === 1,
      });
  }
  return [...claims.values()];
}

/** Every credential with a reading that another credential has too, retired ones left out. */
export async function findAlikeIds(reader: Reader): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('credential_reading as one')
    .innerJoin('credential_reading as other', (join) =>
      join
        .onRef('other.reading', '=', 'one.reading')
        .onRef('other.bits', '=', 'one.bits')
        .onRef('other.hex', '=', 'one.hex')
        .onRef('other.credential_id', '!=', 'one.credential_id'),
    )
    .innerJoin('credential', 'credential.id', 'one.credential_id')
    .select('one.credential_id')
    .distinct()
    .where('credential.status', '!=', 'retired')
    .where('credential.deleted_at_ms', 'is', null)
    .orderBy('one.credential_id')
    .execute();
  return rows.map((row) => row.credential_id);
}

export async function countReadings(reader: Reader, credentialId: string): Promise<number> {
  const row = await reader
    .selectFrom('credential_reading')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('credential_id', '=', credentialId)
    .executeTakeFirstOrThrow();
  return row.rows;
}

/** Every reading of these credentials. */
export async function findReadings(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<{ readonly credentialId: string; readonly read: CardRead; readonly seen: boolean }[]> {
  const found: { credentialId: string; read: CardRead; seen: boolean }[] = [];
  for (const batch of batchesOf(credentialIds)) {
    const rows = await reader
      .selectFrom('credential_reading')
      .select(['credential_id', 'reading', 'bits', 'hex', 'seen'])
      .where('credential_id', 'in', batch)
      .execute();
    for (const { credential_id, seen, ...read } of rows)
      found.push({ credentialId: credential_id, read: cardReadSchema.parse(read), seen: seen === 1 });
  }
  return found;
}
