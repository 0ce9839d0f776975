import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely';
import { unreachable } from '#hub/kernel/result.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import type { Database } from '#hub/store/database.ts';
import { fixedQuery, listed } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { MemberSort } from '../member/schema.ts';
import { everybody, everyPhone, type SearchTerm } from './rules.ts';

/** A place in the word index. */
export interface WordPosition {
  readonly word: string;
  readonly memberNumber: number;
}

/** Counts the entries of the word index that a condition covers, up to `limit`. */
export async function countWords(reader: Reader, term: SearchTerm, limit: number): Promise<number> {
  const rows = await reader
    .selectFrom('member_word')
    .select('member_number')
    .where('word', '>=', term.from)
    .where('word', '<', term.to)
    .limit(limit)
    .execute();
  return rows.length;
}

/** Tests whether the member with the number in `column` has a word in the range of `term`. */
const hasWord = (column: string, term: SearchTerm): RawBuilder<boolean> =>
  sql<boolean>`exists (
    select 1 from member_word as other
    where other.member_number = ${sql.ref(column)} and other.word >= ${term.from} and other.word < ${term.to}
  )`;

const hitWord = sql.ref<string>('hit.word');
/** As a value that no index knows. */
const hitWordValue = sql<string>`+hit.word`;
const inWords = (isDescending: boolean): ListOrder => ({
  columns: ['hit.word', 'hit.member_number'],
  isDescending,
});

/** Entries of the word index in the range of `driver`, of members who have a word in each of the others. */
function hitsOf(
  reader: Reader,
  driver: SearchTerm,
  others: readonly SearchTerm[],
  { isDescending, after }: { readonly isDescending: boolean; readonly after: Place | null },
) {
  // Of two bounds on one side SQLite looks up the first, not the nearer one: on its side the place is the only one.
  const isBehind = after !== null;
  let query = reader
    .selectFrom('member_word as hit')
    .where(isBehind && !isDescending ? hitWordValue : hitWord, '>=', driver.from)
    .where(isBehind && isDescending ? hitWordValue : hitWord, '<', driver.to);
  for (const other of others) query = query.where(hasWord('hit.member_number', other));
  return isBehind ? query.where(isAfter(inWords(isDescending), after)) : query;
}

/** Counts the members that a search finds. */
export async function countHits(
  reader: Reader,
  driver: SearchTerm,
  others: readonly SearchTerm[],
): Promise<number> {
  const row = await hitsOf(reader, driver, others, { isDescending: false, after: null })
    .select(sql<number>`count(distinct hit.member_number)`.as('members'))
    .executeTakeFirstOrThrow();
  return row.members;
}

/** Numbers of members in an order of their own, and where each stands in it. */
export interface OrderedHit {
  readonly memberNumber: number;
  readonly place: Place;
}
/** Which members a list in an order holds. */
export interface OrderedSearch {
  readonly sort: MemberSort;
  /** Conditions; each member is looked up in them while going along the order. */
  readonly terms: readonly SearchTerm[];
  /** Only these members, where few are found; null is all. */
  readonly within: readonly number[] | null;
  readonly after: Place | null;
  readonly limit: number;
}

const isWithin = (column: string, numbers: readonly number[]): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} in ${listed(JSON.stringify(numbers))}`;

const memberColumns = {
  number: ['number'],
  // Ids are made in the order of time.
  createdAt: ['id'],
  updatedAt: ['updated_at_ms', 'id'],
} as const;

/** Members by number, creation or last change. */
async function listByColumns(
  reader: Reader,
  key: keyof typeof memberColumns,
  search: OrderedSearch,
): Promise<readonly OrderedHit[]> {
  const order = { columns: memberColumns[key], isDescending: isReversed(search.sort) };
  let query = reader
    .selectFrom('member')
    .select(['number', 'id', 'updated_at_ms'])
    .where('deleted_at_ms', 'is', null);
  for (const term of search.terms) query = query.where(hasWord('member.number', term));
  if (search.within !== null) query = query.where(isWithin('member.number', search.within));
  if (search.after !== null) query = query.where(isAfter(order, search.after));
  const rows = await query.orderBy(inOrder(order)).limit(search.limit).execute();
  return rows.map((row) => ({
    memberNumber: row.number,
    place: order.columns.map((column) => row[column]),
  }));
}

/** The statement of a list by name: along the entries of the list of everybody. */
export function nameStatement(reader: Reader, { sort, terms, within, after, limit }: OrderedSearch) {
  const isDescending = isReversed(sort);
  let query = hitsOf(reader, everybody, terms, { isDescending, after }).select([
    'hit.word',
    'hit.member_number',
  ]);
  if (within !== null) query = query.where(isWithin('hit.member_number', within));
  return query.orderBy(inOrder(inWords(isDescending))).limit(limit);
}

async function listByName(reader: Reader, search: OrderedSearch): Promise<readonly OrderedHit[]> {
  const rows = await nameStatement(reader, search).execute();
  return rows.map((row) => ({ memberNumber: row.member_number, place: [row.word, row.member_number] }));
}

/** Members that fit all conditions, in the order that was asked for. */
export function listInOrder(reader: Reader, search: OrderedSearch): Promise<readonly OrderedHit[]> {
  switch (search.sort) {
    case 'name':
    case '-name':
      return listByName(reader, search);
    case 'number':
    case '-number':
      return listByColumns(reader, 'number', search);
    case 'createdAt':
    case '-createdAt':
      return listByColumns(reader, 'createdAt', search);
    case 'updatedAt':
    case '-updatedAt':
      return listByColumns(reader, 'updatedAt', search);
    default:
      return unreachable(search.sort);
  }
}

type HitTables = Database & { readonly hit: Database['member_word'] };

/** A word of the same member that the search has come by already. */
const earlierWord = (where: ExpressionBuilder<HitTables, 'hit'>, driver: SearchTerm) =>
  where
    .selectFrom('member_word as earlier')
    .select('earlier.word')
    .whereRef('earlier.member_number', '=', 'hit.member_number')
    .where('earlier.word', '>=', driver.from)
    .whereRef('earlier.word', '<', 'hit.word');

/**
 * The statement of a search: goes along the index through the range of `driver` from `after` on, takes each member once (at
 * the first of its words in the range), and looks up the other conditions in the member's own words.
 */
export function searchStatement(
  reader: Reader,
  driver: SearchTerm,
  others: readonly SearchTerm[],
  page: { readonly after: WordPosition | null; readonly limit: number },
) {
  const after = page.after === null ? null : [page.after.word, page.after.memberNumber];
  let query = hitsOf(reader, driver, others, { isDescending: false, after }).select([
    'hit.word',
    'hit.member_number',
  ]);
  if (!driver.isList) query = query.where((where) => where.not(where.exists(earlierWord(where, driver))));
  return query.orderBy(inOrder(inWords(false))).limit(page.limit);
}

// One condition alone is every list without a search, and most searches.
const firstOfOne = (isList: boolean) =>
  fixedQuery({ from: '$from', to: '$to', limit: -1 }, (reader, { from, to, limit }) =>
    searchStatement(reader, { from, to, isList }, [], { after: null, limit }),
  );
const nextOfOne = (isList: boolean) =>
  fixedQuery(
    { from: '$from', to: '$to', word: '$word', memberNumber: -2, limit: -1 },
    (reader, { from, to, word, memberNumber, limit }) =>
      searchStatement(reader, { from, to, isList }, [], { after: { word, memberNumber }, limit }),
  );
const inList = { first: firstOfOne(true), next: nextOfOne(true) };
const inText = { first: firstOfOne(false), next: nextOfOne(false) };

export async function searchWords(
  reader: Reader,
  driver: SearchTerm,
  others: readonly SearchTerm[],
  { after, limit }: { readonly after: WordPosition | null; readonly limit: number },
): Promise<readonly WordPosition[]> {
  const { from, to } = driver;
  const one = driver.isList ? inList : inText;
  const rows =
    others.length > 0
      ? await searchStatement(reader, driver, others, { after, limit }).execute()
      : after === null
        ? await one.first(reader, { from, to, limit })
        : await one.next(reader, { from, to, ...after, limit });
  return rows.map((row) => ({ word: row.word, memberNumber: row.member_number }));
}

const wordsListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader
    .selectFrom('member_word')
    .innerJoin('member', 'member.number', 'member_word.member_number')
    .select(['member.id', 'member_word.word'])
    .where('member.id', 'in', listed(ids)),
);

/** The words under which each of these members is found now. */
export async function listMemberWords(
  reader: Reader,
  memberIds: readonly string[],
): Promise<(memberId: string) => ReadonlySet<string>> {
  const rows = await wordsListed(reader, { ids: JSON.stringify(memberIds) });
  const rowsByMember = Map.groupBy(rows, (row) => row.id);
  return (memberId) => new Set(rowsByMember.get(memberId)?.map((row) => row.word));
}

const havingWords = fixedQuery(
  { words: '$words', number: -1, limit: -2 },
  (reader, { words, number, limit }) =>
    reader
      .selectFrom('member_word as hit')
      .innerJoin('member', 'member.number', 'hit.member_number')
      .select(['member.id', 'member.number', 'member.name', 'member.email', 'member.date_of_birth'])
      .distinct()
      .where('hit.word', 'in', listed(words))
      .where('hit.member_number', '!=', number)
      .where('member.deleted_at_ms', 'is', null)
      .limit(limit),
);

export interface Namesake {
  readonly id: string;
  readonly number: number;
  readonly name: string;
  readonly email: string | null;
  readonly dateOfBirth: string | null;
}

/** Members other than the one with this number who have one of these words. */
export async function listNamesakes(
  reader: Reader,
  words: readonly string[],
  number: number,
  limit: number,
): Promise<readonly Namesake[]> {
  const rows = await havingWords(reader, { words: JSON.stringify(words), number, limit });
  return rows.map(({ date_of_birth, ...row }) => ({ ...row, dateOfBirth: date_of_birth }));
}

/** Members with a phone number and without a word for it; numbers too short or odd to search for are none. */
export async function listWithoutPhoneWords(
  reader: Reader,
  afterId: string,
  limit: number,
): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('member')
    .select('id')
    .where('deleted_at_ms', 'is', null)
    .where('phone', 'is not', null)
    .where('id', '>', afterId)
    .where((where) => where.not(hasWord('member.number', everyPhone)))
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/** Makes the member's rows of the word index these, touching only what differs from what is stored. */
export async function replaceMemberWords(
  tx: Transaction,
  memberNumber: number,
  stored: ReadonlySet<string>,
  words: ReadonlySet<string>,
): Promise<void> {
  const surplus = [...stored].filter((word) => !words.has(word));
  const missing = [...words].filter((word) => !stored.has(word));
  if (surplus.length > 0)
    await tx.local
      .deleteFrom('member_word')
      .where('member_number', '=', memberNumber)
      .where('word', 'in', surplus)
      .execute();
  if (missing.length > 0)
    await tx.local
      .insertInto('member_word')
      .values(missing.map((word) => ({ word, member_number: memberNumber })))
      .execute();
}
