import { z } from 'zod';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

/** A place in a list as text that says nothing to people. */
export const encodeCursor = (place: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(place)).toString('base64url');

/** The place that a cursor of `schema`'s list stands for; refused when it is not one of them. */
export function decodeCursor<T>(cursor: string, schema: z.ZodType<T>): Result<T, Refusal<'cursorInvalid'>> {
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return refuse({ code: 'cursorInvalid' });
  }
  const parsed = schema.safeParse(place);
  return parsed.success ? ok(parsed.data) : refuse({ code: 'cursorInvalid' });
}

/** Cuts what was read, one row more than the page holds, to the page and the cursor of the next. */
export function cutPage<T>(
  rows: readonly T[],
  limit: number,
  placeOf: (last: T) => readonly (string | number)[],
): { readonly rows: readonly T[]; readonly nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(placeOf(last)) : null;
  return { rows: page, nextCursor };
}

/** Place in a list by id. */
export const idCursorSchema = z.tuple([z.uuid()]);
/** Place in a list in the order of names. */
export const nameCursorSchema = z.tuple([z.string(), z.uuid()]);
/** Place in a search: which of its conditions it goes along, the word, the member's number. */
export const searchCursorSchema = z.tuple([z.int().min(0).max(20), z.string(), z.int()]);
