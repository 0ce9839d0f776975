import {
  type CursorInvalid,
  cursorInvalid,
  openPage,
  type PageRequest,
} from '#hub/http/endpoint/page-cursor.ts';
import { ok, type Result, refuse } from '#hub/kernel/result.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Store } from '#hub/store/store.ts';
import type { FiledMember } from '../member/csv.ts';
import type { MemberListItem, MemberListQuery, MemberSort } from '../member/schema.ts';
import { membersToListItems } from '../member/view.ts';
import { findMembersByNumber, findProfilesByNumber, type ListedMember } from '../repository.ts';
import { countHits, countWords, listInOrder, type OrderedHit, searchWords } from './repository.ts';
import { everybody, type SearchTerm, searchTerms } from './rules.ts';

/** Up to how many entries of the word index are counted to find the condition that leaves the fewest. */
const countedWords = 500;

export interface MemberPage {
  readonly items: MemberListItem[];
  readonly nextCursor: string | null;
  readonly total?: number;
}

interface Driver {
  /** The condition to go along: the rarest, and among those that are all common the first. */
  readonly index: number;
  /** It leaves so few members that they can all be looked at. */
  readonly isRare: boolean;
}

async function chooseDriver(reader: Reader, terms: readonly SearchTerm[]): Promise<Driver> {
  const counts = await Promise.all(terms.map((term) => countWords(reader, term, countedWords)));
  const fewest = Math.min(...counts);
  return { index: counts.indexOf(fewest), isRare: fewest < countedWords };
}

const othersThan = (driver: SearchTerm, terms: readonly SearchTerm[]): readonly SearchTerm[] =>
  terms.filter((term) => term !== driver);

interface Hits {
  readonly rows: readonly { readonly memberNumber: number }[];
  readonly nextCursor: string | null;
}

/** Finds members, best match first, along the words of the rarest condition, which the cursor names. */
async function findBest(
  reader: Reader,
  terms: readonly SearchTerm[],
  asked: PageRequest,
): Promise<Result<Hits, CursorInvalid>> {
  const [index, word, memberNumber] = asked.after ?? [];
  const isFirst = asked.after === null;
  const driverIndex = isFirst && terms.length > 1 ? (await chooseDriver(reader, terms)).index : (index ?? 0);
  const driver = typeof driverIndex === 'number' ? terms[driverIndex] : undefined;
  if (driver === undefined) return refuse(cursorInvalid);
  if (isFirst) {
    const hits = await searchWords(reader, driver, othersThan(driver, terms), {
      after: null,
      limit: asked.limit,
    });
    return ok(asked.cut(hits, (hit) => [driverIndex, hit.word, hit.memberNumber]));
  }
  if (typeof word !== 'string' || typeof memberNumber !== 'number') return refuse(cursorInvalid);
  if (word < driver.from || word >= driver.to) return refuse(cursorInvalid);
  const page = { after: { word, memberNumber }, limit: asked.limit };
  const hits = await searchWords(reader, driver, othersThan(driver, terms), page);
  return ok(asked.cut(hits, (hit) => [driverIndex, hit.word, hit.memberNumber]));
}

/** In an order of its own: few members are sorted; else the order's index is gone along and each member looked up. */
async function findInOrder(
  reader: Reader,
  terms: readonly SearchTerm[],
  sort: MemberSort,
  page: { readonly after: Place | null; readonly limit: number },
): Promise<readonly OrderedHit[]> {
  const filters = othersThan(everybody, terms);
  if (filters.length === 0) return listInOrder(reader, { ...page, sort, terms: [], within: null });
  const { index, isRare } = await chooseDriver(reader, filters);
  const driver = filters[index];
  if (!isRare || driver === undefined)
    return listInOrder(reader, { ...page, sort, terms: filters, within: null });
  const hits = await searchWords(reader, driver, othersThan(driver, filters), {
    after: null,
    limit: countedWords,
  });
  const within = hits.map((hit) => hit.memberNumber);
  return listInOrder(reader, { ...page, sort, terms: [], within });
}

/** Columns of the place in each order; without a sort it is the condition, the word and the number. */
const placeLength = (sort: MemberSort | undefined): number => {
  if (sort === undefined) return 3;
  return /number|createdAt/.test(sort) ? 1 : 2;
};

/** Loads the members of these hits, in their order. */
async function loadMembers(reader: Reader, hits: Hits['rows']): Promise<readonly ListedMember[]> {
  const membersByNumber = await findMembersByNumber(
    reader,
    hits.map((hit) => hit.memberNumber),
  );
  return hits.flatMap((hit) => membersByNumber.get(hit.memberNumber) ?? []);
}

/**
 * Members that fit all conditions, page by page: in the order that was asked for, else a list in the order of names and
 * a search in the order of the words that it found, so that exact hits come first.
 */
export async function searchMembers(
  store: Pick<Store, 'read' | 'report'>,
  query: MemberListQuery,
  nowMs: number,
): Promise<Result<MemberPage, CursorInvalid>> {
  const { read } = store;
  const { sort } = query;
  const asked = openPage(query, placeLength(sort));
  if (!asked.ok) return asked;
  const terms = searchTerms(query);
  if (terms === null) return ok({ items: [], nextCursor: null, ...(query.count ? { total: 0 } : {}) });
  const found =
    sort === undefined
      ? await findBest(read, terms, asked.value)
      : ok(asked.value.cut(await findInOrder(read, terms, sort, asked.value), (hit) => hit.place));
  if (!found.ok) return found;
  const members = await loadMembers(read, found.value.rows);
  const total = await asked.value.count(store, async (reader) => {
    const driver = terms[(await chooseDriver(reader, terms)).index] ?? everybody;
    return countHits(reader, driver, othersThan(driver, terms));
  });
  const items = await membersToListItems(read, members, nowMs);
  return ok({ items, nextCursor: found.value.nextCursor, ...total });
}

/** Members per CSV piece: one turn of the reader Worker. */
const membersPerPiece = 200;

/** All members that fit, in pieces; each is read in a turn of its own in the reader Worker. */
export async function* streamMembers(
  store: Pick<Store, 'report'>,
  query: MemberListQuery,
  nowMs: () => number,
): AsyncGenerator<readonly FiledMember[]> {
  const terms = searchTerms(query);
  if (terms === null) return;
  let after: Place | null = null;
  do {
    const page: { readonly after: Place | null; readonly limit: number } = { after, limit: membersPerPiece };
    const piece = await store.report(async (reader) => {
      const hits = await findInOrder(reader, terms, query.sort ?? 'name', page);
      const numbers = hits.map((hit) => hit.memberNumber);
      const profiles = await findProfilesByNumber(reader, numbers);
      const members = await membersToListItems(reader, await loadMembers(reader, hits), nowMs());
      const items = members.flatMap((member) => {
        const profile = profiles.get(member.number);
        return profile === undefined ? [] : [{ ...member, ...profile }];
      });
      return { items, last: hits.length < membersPerPiece ? null : (hits.at(-1)?.place ?? null) };
    });
    yield piece.items;
    after = piece.last;
  } while (after !== null);
}
