import { sql } from 'kysely';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { SearchTerm } from './search-rules.ts';

/** A place in the word index. */
export interface WordPosition {
  readonly word: string;
  readonly memberNumber: number;
}

/** How many entries of the word index a condition covers, counted up to `limit`. */
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
  let query = reader
    .selectFrom('member_word as hit')
    .select(['hit.word', 'hit.member_number'])
    .where('hit.word', '>=', page.after?.word ?? driver.from)
    .where('hit.word', '<', driver.to)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('member_word as earlier')
            .select('earlier.word')
            .whereRef('earlier.member_number', '=', 'hit.member_number')
            .where('earlier.word', '>=', driver.from)
            .whereRef('earlier.word', '<', 'hit.word'),
        ),
      ),
    );
  const { after } = page;
  if (after !== null)
    query = query.where(sql<boolean>`(hit.word, hit.member_number) > (${after.word}, ${after.memberNumber})`);
  for (const other of others)
    query = query.where((where) =>
      where.exists(
        where
          .selectFrom('member_word as other')
          .select('other.word')
          .whereRef('other.member_number', '=', 'hit.member_number')
          .where('other.word', '>=', other.from)
          .where('other.word', '<', other.to),
      ),
    );
  return query.orderBy('hit.word').orderBy('hit.member_number').limit(page.limit);
}

export async function searchWords(
  reader: Reader,
  ...search: Parameters<typeof searchStatement> extends [Reader, ...infer Rest] ? Rest : never
): Promise<readonly WordPosition[]> {
  const rows = await searchStatement(reader, ...search).execute();
  return rows.map((row) => ({ word: row.word, memberNumber: row.member_number }));
}

/** Makes the member's rows of the word index these, touching only what differs. */
export async function replaceMemberWords(
  tx: Transaction,
  memberNumber: number,
  words: ReadonlySet<string>,
): Promise<void> {
  const rows = await tx
    .selectFrom('member_word')
    .select('word')
    .where('member_number', '=', memberNumber)
    .execute();
  const stored = new Set(rows.map((row) => row.word));
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
