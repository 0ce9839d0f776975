import { z } from 'zod';

/**
 * First and last year of what a caller may send. With whatever is computed from it (periods, grace, zones) it stays
 * within the years 0 to 9999, which alone ISO 8601 writes with four digits.
 */
const firstYear = 1900;
const lastYear = 2999;
const firstMs = Date.UTC(firstYear, 0, 1);
const endMs = Date.UTC(lastYear + 1, 0, 1);
const outside = {
  error: `must be in the years ${firstYear} to ${lastYear}; null, where it may be, for no limit`,
};

/** Whether a time (UTC ms) is one that a caller may send. */
export const isStorableMs = (ms: number): boolean => ms >= firstMs && ms < endMs;

/** What is no time at all has been said already. */
const isStorable = (text: string): boolean => {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || isStorableMs(ms);
};

/** A moment that a caller sends. UTC ms inside, ISO 8601 on the wire. */
export const wireTime = z.iso
  .datetime({ offset: true })
  .refine(isStorable, outside)
  .meta({ description: `ISO 8601 with offset, in the years ${firstYear} to ${lastYear}` });

/** A day that a caller sends, on the site's calendar. */
export const wireDate = z.iso
  .date()
  .refine(isStorable, outside)
  .meta({ description: `ISO 8601, in the years ${firstYear} to ${lastYear}` });

/** Query of a list of what happened: from `from` on and before `to`. */
export const spanShape = {
  from: wireTime
    .optional()
    .meta({ description: 'Only what happened at this time or later; ISO 8601 with offset' }),
  to: wireTime.optional().meta({ description: 'Only what happened before this time; ISO 8601 with offset' }),
};
/** A span as a caller gave it. */
export interface AskedSpan {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}
export const hasSpan = ({ from, to }: AskedSpan): boolean => from !== undefined || to !== undefined;

/** For `refine` on a query with `spanShape`. */
export const isSpanOpen = ({ from, to }: AskedSpan): boolean =>
  from === undefined || to === undefined || Date.parse(from) < Date.parse(to);
export const spanShut = { error: 'must be after `from`', path: ['to'] };
