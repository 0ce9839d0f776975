import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import { type Problem, platformProblem } from '../endpoint/problem.ts';
import {
  deleteKeyedRequest,
  deleteOldest,
  findKeyedRequest,
  insertKeyedRequest,
  type KeptAnswer,
  type KeyedRequest,
  saveAnswer,
  sumKeyedRequests,
} from './keyed-request-repository.ts';
import type { RenderedAnswer } from './rendered-answer.ts';

/** A write that came with an Idempotency-Key. */
export interface KeyedWrite {
  readonly key: string;
  /** Scope of the key: different callers may use the same one. */
  readonly caller: string;
  /** `POST /api/members/{id}/holds`. */
  readonly endpoint: string;
  /** Path with query, as requested. */
  readonly target: string;
  readonly body: unknown;
  /** The answer holds a secret and must not be kept. */
  readonly isSecret: boolean;
}
export type OnceAnswer =
  | { readonly ok: true; readonly answer: RenderedAnswer; readonly isReplay: boolean }
  | { readonly ok: false; readonly problem: Problem };

/** Retention limits. */
export interface IdempotencyBounds {
  readonly keepMs: number;
  readonly rows: number;
  /** Total size of all answers. */
  readonly bytes: number;
  /** A larger answer is not kept. */
  readonly answerBytes: number;
}
export const idempotencyBounds: IdempotencyBounds = {
  keepMs: 24 * 3_600_000,
  rows: 100_000,
  bytes: 64 * 1024 * 1024,
  answerBytes: 2 * 1024 * 1024,
};
/** Rows removed in one transaction: far below 50 ms of work. */
const rowsAtOnce = 500;

const keySyntax = /^[\x21-\x7e]{1,255}$/;
const headersSchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** Identifies the request by a digest; the key itself is not stored. */
const idOf = ({ caller, endpoint, key }: KeyedWrite): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([caller, endpoint, key]))
    .digest();
/** Keyed with the Idempotency-Key, so that a password in the body cannot be guessed from stored digests. */
const digestOf = ({ key, target, body }: KeyedWrite): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify([target, body]))
    .digest();

const refused = (code: Parameters<typeof platformProblem>[0], more?: Parameters<typeof platformProblem>[1]) =>
  ({ ok: false, problem: platformProblem(code, more) }) as const;

/** True when a repetition gets this answer again; else it may be retried, since nothing has happened. */
const isFinal = ({ status }: RenderedAnswer): boolean => status < 500 && status !== 429;

/**
 * Carries a write with an Idempotency-Key out once: that it has begun is on the disk before the handler runs, its answer
 * after. A hub that dies between the two leaves a request that nobody knows the outcome of, and says so.
 */
export class Idempotency {
  readonly #store: Store;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #log: Logger;
  readonly #bounds: IdempotencyBounds;
  /** Digests of running requests, by id. */
  readonly #running = new Map<string, Buffer>();
  /** Contents of the table; null until counted. */
  #kept: { rows: number; bytes: number } | null = null;
  /** Answers dropped before their retention was over, since the start. */
  droppedEarly = 0;

  constructor(deps: {
    readonly store: Store;
    readonly clock: Pick<Clock, 'nowMs'>;
    readonly log: Logger;
    readonly bounds?: IdempotencyBounds;
  }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#bounds = deps.bounds ?? idempotencyBounds;
  }

  /** Returns `work`'s answer, or the stored one of the same request. Throws what `work` throws. */
  async answerOnce(write: KeyedWrite, work: () => Promise<RenderedAnswer>): Promise<OnceAnswer> {
    if (!keySyntax.test(write.key)) return refused('idempotencyKeyInvalid');
    const id = idOf(write);
    const name = id.toString('base64');
    const digest = digestOf(write);
    const running = this.#running.get(name);
    if (running !== undefined)
      return timingSafeEqual(running, digest)
        ? refused('idempotencyKeyInUse', { retryAfterSeconds: 1 })
        : refused('idempotencyKeyReused');
    this.#running.set(name, digest);
    try {
      const known = await findKeyedRequest(this.#store.read, id);
      if (known !== null && known.createdAtMs > this.#clock.nowMs() - this.#bounds.keepMs)
        return repeat(known, digest);
      await this.#begin(id, digest);
      const answer = await this.#run(id, work);
      await this.#finish(id, answer, write.isSecret || 'Set-Cookie' in answer.headers);
      return { ok: true, answer, isReplay: false };
    } finally {
      this.#running.delete(name);
    }
  }

  /** Removes expired requests. */
  async prune(): Promise<void> {
    const beforeMs = this.#clock.nowMs() - this.#bounds.keepMs;
    let removed: number;
    do {
      const gone = await this.#store.transact('idempotency.prune', (tx) =>
        deleteOldest(tx, rowsAtOnce, beforeMs),
      );
      removed = gone.rows;
      this.#add(-gone.rows, -gone.bytes);
    } while (removed === rowsAtOnce);
  }

  /** Rows dropped from a full table: a twentieth, so that it is not full again at the next request. */
  get #droppedAtOnce(): number {
    return Math.min(rowsAtOnce, Math.ceil(this.#bounds.rows / 20));
  }

  async #begin(id: Buffer, digest: Buffer): Promise<void> {
    this.#kept ??= await sumKeyedRequests(this.#store.read);
    const isFull = this.#kept.rows >= this.#bounds.rows || this.#kept.bytes >= this.#bounds.bytes;
    const gone = await this.#store.transact('idempotency.begin', async (tx) => {
      const dropped = isFull ? await deleteOldest(tx, this.#droppedAtOnce, null) : null;
      await insertKeyedRequest(tx, id, digest);
      return dropped;
    });
    this.#add(1, 0);
    if (gone === null) return;
    this.#add(-gone.rows, -gone.bytes);
    this.droppedEarly += gone.rows;
  }

  async #run(id: Buffer, work: () => Promise<RenderedAnswer>): Promise<RenderedAnswer> {
    let answer: RenderedAnswer;
    try {
      answer = await work();
    } catch (error) {
      // Both say that nothing was changed; anything else may have been in the middle.
      if (isHarmless(error)) await this.#forget(id);
      throw error;
    }
    return answer;
  }

  /** The answer goes out whatever happens here: the write itself is done. */
  async #finish(id: Buffer, answer: RenderedAnswer, isSecret: boolean): Promise<void> {
    if (!isFinal(answer)) return this.#forget(id);
    const { status, mediaType, etag, headers } = answer;
    const bytes = Buffer.byteLength(answer.body);
    const body = isSecret || bytes > this.#bounds.answerBytes ? null : answer.body;
    const kept: KeptAnswer = {
      status,
      mediaType,
      etag: body === null ? null : etag,
      headers: body === null ? '{}' : JSON.stringify(headers),
      body,
    };
    try {
      await this.#store.transact('idempotency.finish', (tx) => saveAnswer(tx, id, kept));
      this.#add(0, body === null ? 0 : bytes);
    } catch (error) {
      this.#log.warn({ err: error }, 'an answer was not kept for a repetition');
    }
  }

  async #forget(id: Buffer): Promise<void> {
    try {
      await this.#store.transact('idempotency.forget', (tx) => deleteKeyedRequest(tx, id));
      this.#add(-1, 0);
    } catch (error) {
      this.#log.warn({ err: error }, 'an Idempotency-Key that came to nothing was not given back');
    }
  }

  #add(rows: number, bytes: number): void {
    if (this.#kept === null) return;
    this.#kept.rows += rows;
    this.#kept.bytes += bytes;
  }
}

const isHarmless = (error: unknown): boolean =>
  error instanceof Fault && (error.code === 'storeBusy' || error.code === 'diskFull');

function repeat(known: KeyedRequest, digest: Buffer): OnceAnswer {
  if (!timingSafeEqual(known.digest, digest)) return refused('idempotencyKeyReused');
  const { answer } = known;
  const facts = { firstAt: new Date(known.createdAtMs).toISOString() };
  if (answer === null) return refused('idempotencyOutcomeUnknown', { facts });
  const { status, etag, body } = answer;
  if (body === null) return refused('idempotencyAnswerNotKept', { facts: { ...facts, firstStatus: status } });
  const mediaType = answer.mediaType === 'application/json' ? answer.mediaType : 'application/problem+json';
  const headers = headersSchema.parse(JSON.parse(answer.headers));
  return { ok: true, isReplay: true, answer: { status, mediaType, etag, headers, body } };
}
