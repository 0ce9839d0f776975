import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import { csvLines } from '#hub/platform/csv.ts';
import type { Logger } from '#hub/platform/log.ts';
import { createYieldToRequests } from '#hub/platform/yield-to-requests.ts';
import type { CsvList, ParsedCall } from '../endpoint/endpoint.ts';
import { type FieldError, type Problem, platformProblem } from '../endpoint/problem.ts';

export const csvMediaType = 'text/csv';

/** Files that are under way at once; each takes its turns in the reader Worker. */
const maxAtOnce = 4;
/** A caller who takes nothing for so long is gone: its file ends, and its place is free. */
const stalledMs = 60_000;
/** Parameters of pages, which a whole file does not have. */
const pagingNames = ['limit', 'cursor', 'count'];

/** Returns errors for paging parameters, which a whole file does not take. */
export const pagingErrors = (query: Readonly<Record<string, unknown>>): readonly FieldError[] =>
  pagingNames
    .filter((name) => name in query)
    .map((name) => ({
      pointer: `/query/${name}`,
      message: 'has no meaning with text/csv: it is the whole list',
    }));

/** The files that are under way. */
export class CsvAnswers {
  readonly #log: Logger;
  readonly #answeredRequests: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  #running = 0;

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

  get isFull(): boolean {
    return this.#running >= maxAtOnce;
  }

  /** Header and lines as a stream; ends when it is read out, destroyed, or not read from for a minute. */
  stream(list: CsvList<ParsedCall>, call: ParsedCall): Readable {
    this.#running += 1;
    const stream = Readable.from(
      this.#pieces(list, call, () => stream.destroy()),
      { highWaterMark: 1 },
    );
    stream.once('close', () => {
      this.#running -= 1;
    });
    return stream;
  }

  async *#pieces(list: CsvList<ParsedCall>, call: ParsedCall, cut: () => void) {
    try {
      yield Buffer.from(csvLines([list.columns]));
      const yieldToRequests = createYieldToRequests(this.#answeredRequests, this.#pause);
      let askedMs = performance.now();
      for await (const piece of list.lines(call)) {
        const workedMs = performance.now() - askedMs;
        const stalled = setTimeout(cut, stalledMs);
        try {
          yield typeof piece === 'string' ? Buffer.from(piece) : piece;
        } finally {
          clearTimeout(stalled);
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
  call: ParsedCall,
): Problem | null {
  if (answers.isFull) return platformProblem('tooManyExports', { retryAfterSeconds: 10 });
  ctx.status = 200;
  // Koa asks a HEAD's body for its length only.
  ctx.body = ctx.method === 'HEAD' ? Readable.from([]) : answers.stream(list, call);
  ctx.set('Content-Type', `${csvMediaType}; charset=utf-8; header=present`);
  ctx.set('Content-Disposition', `attachment; filename="${list.fileName}.csv"`);
  ctx.set('Cache-Control', 'no-store');
  return null;
}
