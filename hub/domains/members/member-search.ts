import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import type { MemberListItem } from './member-schema.ts';
import { membersToListItems } from './member-view.ts';
import { cutPage, decodeCursor, searchCursorSchema } from './page-cursor.ts';
import { findMembersByNumber } from './repository.ts';
import { countWords, searchWords, type WordPosition } from './search-repository.ts';
import { type MemberFilter, type SearchTerm, searchTerms } from './search-rules.ts';

/** Up to how many entries of the word index are counted to find the condition that leaves the fewest. */
const countedWords = 500;

export interface MemberPage {
  readonly items: MemberListItem[];
  readonly nextCursor: string | null;
}

/** The condition to go along: the rarest, and among those that are all common the first. */
async function chooseDriver(reader: Reader, terms: readonly SearchTerm[]): Promise<number> {
  if (terms.length === 1) return 0;
  const counts = await Promise.all(terms.map((term) => countWords(reader, term, countedWords)));
  return counts.indexOf(Math.min(...counts));
}

/**
 * Members that fit all conditions, page by page: a list in the order of names, a search in the order of the words that it
 * found, so that exact hits come first. Reads along the word index only.
 */
export async function searchMembers(
  reader: Reader,
  filter: MemberFilter,
  page: { readonly limit: number; readonly cursor: string | undefined },
  nowMs: number,
): Promise<Result<MemberPage, Refusal<'cursorInvalid'>>> {
  const terms = searchTerms(filter);
  if (terms === null) return ok({ items: [], nextCursor: null });
  let driverIndex: number;
  let after: WordPosition | null = null;
  if (page.cursor === undefined) {
    driverIndex = await chooseDriver(reader, terms);
  } else {
    const place = decodeCursor(page.cursor, searchCursorSchema);
    if (!place.ok) return place;
    const [index, word, memberNumber] = place.value;
    driverIndex = index;
    after = { word, memberNumber };
  }
  const driver = terms[driverIndex];
  // A cursor of another search.
  if (driver === undefined || (after !== null && (after.word < driver.from || after.word >= driver.to)))
    return refuse({ code: 'cursorInvalid' });
  const others = terms.filter((term) => term !== driver);
  const hits = await searchWords(reader, driver, others, { after, limit: page.limit + 1 });
  const { rows, nextCursor } = cutPage(hits, page.limit, (hit) => [driverIndex, hit.word, hit.memberNumber]);
  const membersByNumber = await findMembersByNumber(
    reader,
    rows.map((hit) => hit.memberNumber),
  );
  const members = rows.flatMap((hit) => membersByNumber.get(hit.memberNumber) ?? []);
  return ok({ items: await membersToListItems(reader, members, nowMs), nextCursor });
}
