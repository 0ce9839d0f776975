import { hash } from 'node:crypto';
import { z } from 'zod';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Store } from '#hub/store/store.ts';

export type CursorInvalid = Refusal<'cursorInvalid'>;
/** Refusals of every paged list. */
export const pageRefusals = ['cursorInvalid'] as const;

/** Query of such a list: `pageShape`, sort and filters. */
export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly count?: boolean | undefined;
  readonly [filter: string]: unknown;
}

/** A requested page. */
export interface PageRequest {
  /** The last row of the page before; null for the first page. */
  readonly after: Place | null;
  /** Rows to read: one more than the page holds, to detect another page. */
  readonly limit: number;
  /** Cuts the rows read to the page, with the cursor of the next. */
  readonly cut: <T>(
    rows: readonly T[],
    placeOf: (last: T) => Place,
  ) => { readonly rows: readonly T[]; readonly nextCursor: string | null };
  /** Counts `total` in the reader Worker, where requested. */
  readonly count: (
    store: Pick<Store, 'report'>,
    counting: (reader: Reader) => Promise<number>,
  ) => Promise<{ readonly total?: number }>;
}

const cursorSchema = z.tuple([z.string()], z.union([z.string(), z.number()]));

export const cursorInvalid: CursorInvalid = { code: 'cursorInvalid' };

/** Names sort and filters, so that a cursor counts for these alone. */
function nameList({ limit: _limit, cursor: _cursor, count: _count, ...list }: PageQuery): string {
  return hash('sha256', JSON.stringify(list), 'base64url').slice(0, 10);
}

function readCursor(cursor: string, query: PageQuery, columns: number): Place | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
  const parsed = cursorSchema.safeParse(value);
  if (!parsed.success) return null;
  const [list, ...place] = parsed.data;
  return list === nameList(query) && place.length === columns ? place : null;
}

/**
 * The page that `query` asks for, in an order of `columns` columns. Sort and filters are all of `query` but the paging;
 * add what is in the path (`{ ...query, memberId }`). A cursor of anything else is refused.
 */
export function openPage(query: PageQuery, columns: number): Result<PageRequest, CursorInvalid> {
  const { limit, cursor } = query;
  const after = cursor === undefined ? null : readCursor(cursor, query, columns);
  if (cursor !== undefined && after === null) return refuse(cursorInvalid);
  return ok({
    after,
    limit: limit + 1,
    cut: (rows, placeOf) => {
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      if (rows.length <= limit || last === undefined) return { rows: page, nextCursor: null };
      const place = [nameList(query), ...placeOf(last)];
      return { rows: page, nextCursor: Buffer.from(JSON.stringify(place)).toString('base64url') };
    },
    count: async (store, counting) => (query.count === true ? { total: await store.report(counting) } : {}),
  });
}
