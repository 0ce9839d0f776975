import type { Selectable } from 'kysely';
import type { Result } from '#hub/kernel/result.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import type { StateColumns } from '#hub/store/database.ts';
import { fixedQuery, listed } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, RowMissing, StaleVersion, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import type { CreationSort } from './member/schema.ts';
import type { StoredMembershipState } from './memberships/rules.ts';
import type { PlanInterval } from './plans/schema.ts';
import type { MemberStatus } from './schema.ts';

export interface MemberTable extends StateColumns {
  number: number;
  name: string;
  email: string | null;
  phone: string | null;
  locale: string | null;
  /** ISO date, as the next. */
  date_of_birth: string | null;
  guardian: string | null;
  notes: string | null;
  waiver_version: string | null;
  waiver_date: string | null;
  extended_access: 0 | 1;
  status: MemberStatus;
  status_reason: string | null;
  status_since_ms: number;
}

export interface PlanTable extends StateColumns {
  name: string;
  name_key: string;
  description: string | null;
  price_minor: number;
  currency: string;
  billing_interval: PlanInterval;
  grace_days: number;
  overdue_days: number;
  active: 0 | 1;
}

export interface MemberGroupTable extends StateColumns {
  name: string;
  name_key: string;
  description: string | null;
}

export interface MemberGroupEntryTable extends StateColumns {
  member_id: string;
  group_id: string;
}

export interface MembershipTable extends StateColumns {
  member_id: string;
  plan_id: string;
  state: StoredMembershipState;
  state_since_ms: number;
  state_reason: string | null;
  from_ms: number | null;
  until_ms: number | null;
  renews: 0 | 1;
  grace_days: number;
  overdue_days: number;
  due_at_ms: number | null;
}

export interface HoldTable extends StateColumns {
  member_id: string;
  reason: string;
  placed_by: string;
  released_by: string | null;
  released_at_ms: number | null;
  release_note: string | null;
}

export interface MemberWordTable {
  word: string;
  member_number: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    member: MemberTable;
    plan: PlanTable;
    member_group: MemberGroupTable;
    member_group_entry: MemberGroupEntryTable;
    membership: MembershipTable;
    hold: HoldTable;
    member_word: MemberWordTable;
  }
}

export const memberTables = {
  member: {
    called: 'Member',
    label: { column: 'name' },
    managedBy: 'member.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [
      'name',
      'email',
      'phone',
      'locale',
      'date_of_birth',
      'guardian',
      'notes',
      'status_reason',
    ],
  },
  plan: {
    called: 'Plan',
    label: { column: 'name' },
    managedBy: 'plan.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  member_group: {
    called: 'Group',
    label: { column: 'name' },
    managedBy: 'member.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  member_group_entry: {
    called: 'Member of a group',
    label: { reference: 'member_id', table: 'member' },
    managedBy: 'member.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  membership: {
    called: 'Membership',
    label: { reference: 'member_id', table: 'member' },
    managedBy: 'member.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: ['state_reason'],
  },
  hold: {
    called: 'Hold',
    label: { reference: 'member_id', table: 'member' },
    managedBy: 'member.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: ['reason', 'placed_by', 'released_by', 'release_note'],
  },
  member_word: { class: 'local', owner: 'hub', personalColumns: ['word'] },
} as const satisfies Registrations;

/** The columns that every entity carries, in the code's words. */
export interface EntityFields {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export const entityFields = (row: Omit<Selectable<StateColumns>, 'deleted_at_ms'>): EntityFields => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
});

/** The editable fields of a member. */
export interface MemberProfile {
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly locale: string | null;
  readonly dateOfBirth: string | null;
  readonly guardian: string | null;
  readonly notes: string | null;
  readonly waiverVersion: string | null;
  readonly waiverDate: string | null;
  readonly extendedAccess: boolean;
}

export interface MemberRow extends EntityFields, MemberProfile {
  readonly number: number;
  readonly status: MemberStatus;
  readonly statusReason: string | null;
  readonly statusSinceMs: number;
}

export const rowToMember = (row: Selectable<MemberTable>): MemberRow => ({
  ...entityFields(row),
  number: row.number,
  name: row.name,
  email: row.email,
  phone: row.phone,
  locale: row.locale,
  dateOfBirth: row.date_of_birth,
  guardian: row.guardian,
  notes: row.notes,
  waiverVersion: row.waiver_version,
  waiverDate: row.waiver_date,
  extendedAccess: row.extended_access === 1,
  status: row.status,
  statusReason: row.status_reason,
  statusSinceMs: row.status_since_ms,
});

const profileToRow = (profile: MemberProfile) => ({
  name: profile.name,
  email: profile.email,
  phone: profile.phone,
  locale: profile.locale,
  date_of_birth: profile.dateOfBirth,
  guardian: profile.guardian,
  notes: profile.notes,
  waiver_version: profile.waiverVersion,
  waiver_date: profile.waiverDate,
  extended_access: profile.extendedAccess ? (1 as const) : (0 as const),
});

export async function findMember(reader: Reader, id: string): Promise<MemberRow | undefined> {
  const row = await reader
    .selectFrom('member')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : rowToMember(row);
}

const namesListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader.selectFrom('member').select(['id', 'name']).where('id', 'in', listed(ids)),
);

/** Names of those of these members that exist, by id. */
export async function findMemberNames(
  reader: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await namesListed(reader, { ids: JSON.stringify(ids) });
  return new Map(rows.map(({ id, name }) => [id, name]));
}

const memberRowsByNumber = fixedQuery({ numbers: '$numbers' }, (reader, { numbers }) =>
  reader
    .selectFrom('member')
    .select([
      'id',
      'version',
      'created_at_ms',
      'updated_at_ms',
      'number',
      'name',
      'email',
      'status',
      'waiver_date',
      'extended_access',
    ])
    .where('number', 'in', listed<number>(numbers))
    .where('deleted_at_ms', 'is', null),
);

/** The fields of a member in lists; reading only these is much faster. */
export type ListedMember = EntityFields &
  Pick<MemberRow, 'number' | 'name' | 'email' | 'status' | 'waiverDate' | 'extendedAccess'>;

export async function findMembersByNumber(
  reader: Reader,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, ListedMember>> {
  const rows = await memberRowsByNumber(reader, { numbers: JSON.stringify(numbers) });
  return new Map(
    rows.map((row) => [
      row.number,
      {
        ...entityFields(row),
        number: row.number,
        name: row.name,
        email: row.email,
        status: row.status,
        waiverDate: row.waiver_date,
        extendedAccess: row.extended_access === 1,
      },
    ]),
  );
}

const profilesByNumber = fixedQuery({ numbers: '$numbers' }, (reader, { numbers }) =>
  reader
    .selectFrom('member')
    .select([
      'number',
      'phone',
      'locale',
      'date_of_birth',
      'guardian',
      'waiver_version',
      'waiver_date',
      'extended_access',
    ])
    .where('number', 'in', listed<number>(numbers)),
);

/** What a file of members has beyond their list. */
export interface FiledProfile {
  readonly phone: string | null;
  readonly locale: string | null;
  readonly dateOfBirth: string | null;
  readonly guardian: string | null;
  readonly waiverVersion: string | null;
  readonly waiverDate: string | null;
  readonly extendedAccess: boolean;
}

export async function findProfilesByNumber(
  reader: Reader,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, FiledProfile>> {
  const rows = await profilesByNumber(reader, { numbers: JSON.stringify(numbers) });
  return new Map(
    rows.map((row) => [
      row.number,
      {
        phone: row.phone,
        locale: row.locale,
        dateOfBirth: row.date_of_birth,
        guardian: row.guardian,
        waiverVersion: row.waiver_version,
        waiverDate: row.waiver_date,
        extendedAccess: row.extended_access === 1,
      },
    ]),
  );
}

const idByNumber = fixedQuery({ number: -1 }, (reader, { number }) =>
  reader.selectFrom('member').select('id').where('number', '=', number),
);
/** Checks whether a number is taken, including by removed members. */
export async function isNumberTaken(reader: Reader, number: number): Promise<boolean> {
  return (await idByNumber(reader, { number })).length > 0;
}

const highestNumber = fixedQuery({}, (reader) =>
  reader.selectFrom('member').select('number').orderBy('number', 'desc').limit(1),
);
export async function findHighestNumber(reader: Reader): Promise<number | null> {
  const [row] = await highestNumber(reader, {});
  return row?.number ?? null;
}

export async function insertMember(
  tx: Transaction,
  member: MemberProfile & { readonly id: string; readonly number: number },
): Promise<void> {
  await tx.insert('member', {
    id: member.id,
    number: member.number,
    ...profileToRow(member),
    status: 'active',
    status_reason: null,
    status_since_ms: tx.nowMs,
  });
}

export const updateProfile = (
  tx: Transaction,
  id: string,
  profile: MemberProfile,
  expectedVersion: number,
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write('member', id, profileToRow(profile), { expectedVersion });

export const updateStatus = (
  tx: Transaction,
  id: string,
  status: MemberStatus,
  reason: string | null,
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write('member', id, { status, status_reason: reason, status_since_ms: tx.nowMs });

export interface HoldRow extends EntityFields {
  readonly memberId: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly releasedBy: string | null;
  readonly releasedAtMs: number | null;
  readonly releaseNote: string | null;
}

export const rowToHold = (row: Selectable<HoldTable>): HoldRow => ({
  ...entityFields(row),
  memberId: row.member_id,
  reason: row.reason,
  placedBy: row.placed_by,
  releasedBy: row.released_by,
  releasedAtMs: row.released_at_ms,
  releaseNote: row.release_note,
});

export async function findHold(reader: Reader, memberId: string, id: string): Promise<HoldRow | undefined> {
  const row = await reader
    .selectFrom('hold')
    .selectAll()
    .where('id', '=', id)
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : rowToHold(row);
}

/** The order of what a member has: ids are made in the order of time. */
export const creationOrder = (sort: CreationSort): ListOrder => ({
  columns: ['id'],
  isDescending: isReversed(sort),
});

/** A page of rows. */
export interface RowPage {
  readonly order: ListOrder;
  readonly after: Place | null;
  readonly limit: number;
}
/** A member's holds. */
export async function listHolds(
  reader: Reader,
  memberId: string,
  { order, after, limit }: RowPage,
): Promise<readonly HoldRow[]> {
  let query = reader
    .selectFrom('hold')
    .selectAll()
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null);
  if (after !== null) query = query.where(isAfter(order, after));
  const rows = await query.orderBy(inOrder(order)).limit(limit).execute();
  return rows.map(rowToHold);
}

/** Counts a member's memberships or holds. */
export async function countOf(
  reader: Reader,
  table: 'membership' | 'hold',
  memberId: string,
): Promise<number> {
  const row = await reader
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return row.rows;
}

export async function countActiveHolds(reader: Reader, memberId: string): Promise<number> {
  const rows = await reader
    .selectFrom('hold')
    .select('id')
    .where('member_id', '=', memberId)
    .where('released_at_ms', 'is', null)
    .where('deleted_at_ms', 'is', null)
    .execute();
  return rows.length;
}

export const insertHold = (
  tx: Transaction,
  hold: Pick<HoldRow, 'id' | 'memberId' | 'reason' | 'placedBy'>,
): Promise<void> =>
  tx.insert('hold', {
    id: hold.id,
    member_id: hold.memberId,
    reason: hold.reason,
    placed_by: hold.placedBy,
    released_by: null,
    released_at_ms: null,
    release_note: null,
  });

export const releaseHoldRow = (
  tx: Transaction,
  id: string,
  releasedBy: string,
  note: string | null,
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write('hold', id, { released_by: releasedBy, released_at_ms: tx.nowMs, release_note: note });

/** Ids of a member's memberships and holds. */
export async function listMemberParts(reader: Reader, memberId: string): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('membership')
    .select('id')
    .where('member_id', '=', memberId)
    .unionAll(reader.selectFrom('hold').select('id').where('member_id', '=', memberId))
    .execute();
  return rows.map((row) => row.id);
}
