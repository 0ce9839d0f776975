import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import { type CsvDelimiter, csvLines } from '#hub/platform/csv.ts';
import type { Logger } from '#hub/platform/log.ts';
import { type Holder, SharedPlaces } from '#hub/platform/shared-places.ts';
import { createYieldToRequests } from '#hub/platform/yield-to-requests.ts';
import type { CsvList, Endpoint, ParsedCall, Principal } from '../endpoint/endpoint.ts';
import { type FieldError, type Problem, platformProblem } from '../endpoint/problem.ts';
import { parseAt } from '../endpoint/request-parsing.ts';
import { addressHolders } from './caller-shares.ts';
import type { Exchange } from './exchange.ts';

export const csvMediaType = 'text/csv';

/** Files that are under way at once, in all and for one account or address; each takes its turns in the reader Worker. */
const maxAtOnce = 4;
const share = 2;
/** A caller who takes nothing for so long is gone: its file ends, and its place is free. */
const stalledMs = 60_000;
/** After so long it is ended for another who finds no place. */
const yieldingMs = 10_000;
/** Parameters of pages, which a whole file does not have. */
const pagingNames = ['limit', 'cursor', 'count'];

/** How a caller wants the file. */
export interface CsvStyle {
  readonly delimiter: CsvDelimiter;
  /** A byte order mark in front, by which spreadsheets know UTF-8. */
  readonly bom: boolean;
}

const plainStyle: CsvStyle = { delimiter: 'comma', bom: false };

/** Query of every list as CSV, beside its own. */
const styleSchema = z.strictObject({
  delimiter: z.enum(['comma', 'semicolon', 'tab']).default('comma'),
  bom: z.stringbool({ truthy: ['true'], falsy: ['false'] }).default(false),
});

/** Takes the style of the file out of the query of a list that there is as CSV: the rest is the list's own. */
export function takeCsvStyle(
  endpoint: Pick<Endpoint, 'csv'>,
  query: Readonly<Record<string, unknown>>,
): {
  readonly style: CsvStyle;
  readonly errors: readonly FieldError[];
  readonly rest: Readonly<Record<string, unknown>>;
} {
  if (endpoint.csv === undefined || !('delimiter' in query || 'bom' in query))
    return { style: plainStyle, errors: [], rest: query };
  const { delimiter, bom, ...rest } = query;
  const parsed = styleSchema.safeParse({ delimiter, bom });
  if (parsed.success) return { style: parsed.data, errors: [], rest };
  const { errors } = parseAt(styleSchema, { delimiter, bom }, 'query');
  return { style: plainStyle, errors, rest };
}

/** Returns errors for paging parameters, which a whole file does not take. */
export const pagingErrors = (query: Readonly<Record<string, unknown>>): readonly FieldError[] =>
  pagingNames
    .filter((name) => name in query)
    .map((name) => ({
      pointer: `/query/${name}`,
      message: 'has no meaning with text/csv: it is the whole list',
    }));

/** A file that is under way. */
interface RunningFile {
  /** Since when its reader has taken nothing; null while a piece is being made. */
  waitsSinceMs: number | null;
  readonly cut: () => void;
}

/** Holders of the places of a call, with their shares. */
export const csvHolders = (
  principal: Principal | null,
  caller: Pick<Exchange, 'remoteAddress' | 'transport'>,
): readonly Holder[] => [
  ...(principal === null ? [] : [{ name: `${principal.kind} ${principal.accountId}`, share }]),
  ...addressHolders(caller, share),
];

/** The files that are under way. */
export class CsvAnswers {
  readonly #log: Logger;
  readonly #answeredRequests: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  readonly #places = new SharedPlaces(maxAtOnce);
  readonly #running = new Set<RunningFile>();

  /** @param answeredRequests so many so far: while there come more, a file leaves time to them between its pieces */
  constructor(
    log: Logger,
    answeredRequests: () => number,
    pause: (ms: number) => Promise<unknown> = (ms) => wait(ms),
  ) {
    this.#log = log;
    this.#answeredRequests = answeredRequests;
    this.#pause = pause;
  }

  /**
   * Header and lines as a stream; ends when it is read out, destroyed, or not read from for a minute. Null when there is
   * no place; one that nobody reads from is then ended, so that there is one soon.
   */
  stream(
    list: CsvList<ParsedCall>,
    call: ParsedCall,
    holders: readonly Holder[],
    style: CsvStyle = plainStyle,
  ): Readable | null {
    const giveBack = this.#places.take(holders);
    if (giveBack === null) {
      if (this.#places.isFull) this.#cutSlowest();
      return null;
    }
    const file: RunningFile = { waitsSinceMs: null, cut: () => stream.destroy() };
    const stream = Readable.from(this.#pieces(list, call, file, style), { highWaterMark: 1 });
    this.#running.add(file);
    stream.once('close', () => {
      this.#running.delete(file);
      giveBack();
    });
    return stream;
  }

  #cutSlowest(): void {
    const waiting = [...this.#running].flatMap((file) =>
      file.waitsSinceMs === null ? [] : [{ cut: file.cut, sinceMs: file.waitsSinceMs }],
    );
    const [slowest] = waiting.sort((left, right) => left.sinceMs - right.sinceMs);
    if (slowest !== undefined && performance.now() - slowest.sinceMs >= yieldingMs) slowest.cut();
  }

  async *#pieces(list: CsvList<ParsedCall>, call: ParsedCall, file: RunningFile, style: CsvStyle) {
    try {
      yield Buffer.from(`${style.bom ? '\ufeff' : ''}${csvLines([list.columns], style.delimiter)}`);
      const yieldToRequests = createYieldToRequests(this.#answeredRequests, this.#pause);
      let askedMs = performance.now();
      for await (const piece of list.lines(call, style.delimiter)) {
        const workedMs = performance.now() - askedMs;
        const stalled = setTimeout(file.cut, stalledMs);
        file.waitsSinceMs = performance.now();
        try {
          yield typeof piece === 'string' ? Buffer.from(piece) : piece;
        } finally {
          clearTimeout(stalled);
          file.waitsSinceMs = null;
        }
        await yieldToRequests(workedMs);
        askedMs = performance.now();
      }
    } catch (error) {
      // The status has gone out: the connection breaks off, so that nobody takes a part for the whole.
      this.#log.error({ err: error, requestId: call.context.requestId }, 'a CSV answer broke off');
      throw error;
    }
  }
}

/** Answers with the whole list as CSV, as fast as the caller takes it. The problem when too many are under way. */
export function answerCsv(
  ctx: Context,
  answers: CsvAnswers,
  list: CsvList<ParsedCall>,
  asked: { readonly call: ParsedCall; readonly holders: readonly Holder[]; readonly style: CsvStyle },
): Problem | null {
  // Koa asks a HEAD's body for its length only.
  const { call, holders, style } = asked;
  const body = ctx.method === 'HEAD' ? Readable.from([]) : answers.stream(list, call, holders, style);
  if (body === null) return platformProblem('tooManyExports', { retryAfterSeconds: 10 });
  ctx.status = 200;
  ctx.body = body;
  ctx.set('Content-Type', `${csvMediaType}; charset=utf-8; header=present`);
  ctx.set('Content-Disposition', `attachment; filename="${list.fileName}.csv"`);
  ctx.set('Cache-Control', 'no-store');
  return null;
}
