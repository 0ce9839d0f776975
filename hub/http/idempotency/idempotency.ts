import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import { runInSteps } from '#hub/store/writing/step-log.ts';
import { type Problem, platformProblem } from '../endpoint/problem.ts';
import {
  deleteKeyedRequest,
  deleteOldest,
  findKeyedRequest,
  type KeptAnswer,
  type KeyedRequest,
  type RequestIdentity,
  saveAnswer,
  saveSteps,
  sumKeyedRequests,
} from './keyed-request-repository.ts';
import type { RenderedAnswer } from './rendered-answer.ts';
import { RequestSteps, StepValueLost } from './request-steps.ts';

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
  /** It acts on more than the store: a door, another server. */
  readonly actsOutside: boolean;
  /** Status of its answer when it succeeds. */
  readonly status: number;
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
 * Carries a write with an Idempotency-Key out once. Its key is written in its own transactions, so that a hub that was
 * killed knows which of them are committed: a repetition goes on behind them, with the values that they gave, and comes
 * to the answer that was lost; where none is, it is a first request.
 *
 * What acts on more than the store is noted as begun before: nobody can tell afterwards whether the door has opened.
 * A hub that dies then leaves a request of unknown outcome, and says so.
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
      const nowMs = this.#clock.nowMs();
      const found = await findKeyedRequest(this.#store.read, id);
      const known = found !== null && found.createdAtMs > nowMs - this.#bounds.keepMs ? found : null;
      if (known !== null && (known.steps === null || !timingSafeEqual(known.digest, digest)))
        return repeat(known, digest);
      const request = { id, digest, createdAtMs: known?.createdAtMs ?? nowMs };
      if (known === null) await this.#makeRoom();
      const once = write.actsOutside
        ? await this.#runOutside(request, work)
        : await this.#runInSteps(request, { write, known, work });
      if (once.ok)
        await this.#finish(request, once.answer, write.isSecret || 'Set-Cookie' in once.answer.headers);
      return once;
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

  async #makeRoom(): Promise<void> {
    this.#kept ??= await sumKeyedRequests(this.#store.read);
    if (this.#kept.rows < this.#bounds.rows && this.#kept.bytes < this.#bounds.bytes) return;
    const gone = await this.#store.transact('idempotency.makeRoom', (tx) =>
      deleteOldest(tx, this.#droppedAtOnce, null),
    );
    this.#add(-gone.rows, -gone.bytes);
    this.droppedEarly += gone.rows;
  }

  async #runInSteps(
    request: RequestIdentity,
    {
      write,
      known,
      work,
    }: {
      readonly write: KeyedWrite;
      readonly known: KeyedRequest | null;
      readonly work: () => Promise<RenderedAnswer>;
    },
  ): Promise<OnceAnswer> {
    const steps = new RequestSteps(request, {
      known: known?.steps ?? null,
      isSecret: write.isSecret,
      maxBytes: this.#bounds.answerBytes,
    });
    const lost = (): OnceAnswer =>
      refused('idempotencyAnswerNotKept', { facts: lostFacts(request, write.status) });
    let answer: RenderedAnswer;
    try {
      answer = await runInSteps(steps, work);
    } catch (error) {
      if (error instanceof StepValueLost) return lost();
      throw error;
    } finally {
      steps.end();
      if (known === null && steps.count > 0) this.#add(1, 0);
    }
    // It turned off before what it had done already, since something has changed: its answer is about something else.
    if (!steps.isTakenUp) return lost();
    if (known === null && steps.count === 0 && isFinal(answer)) this.#add(1, 0);
    return { ok: true, answer, isReplay: known !== null };
  }

  async #runOutside(request: RequestIdentity, work: () => Promise<RenderedAnswer>): Promise<OnceAnswer> {
    await this.#store.transact('idempotency.begin', (tx) => saveSteps(tx, request, null));
    this.#add(1, 0);
    let answer: RenderedAnswer;
    try {
      answer = await work();
    } catch (error) {
      // Both say that nothing was changed; anything else may have been in the middle.
      if (isHarmless(error)) await this.#forget(request.id);
      throw error;
    }
    if (!isFinal(answer)) await this.#forget(request.id);
    return { ok: true, answer, isReplay: false };
  }

  /** The answer goes out whatever happens here: the write itself is done. One that says "later" is not kept. */
  async #finish(request: RequestIdentity, answer: RenderedAnswer, isSecret: boolean): Promise<void> {
    if (!isFinal(answer)) return;
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
      await this.#store.transact('idempotency.finish', (tx) => saveAnswer(tx, request, kept));
      this.#add(0, body === null ? 0 : bytes);
    } catch (error) {
      this.#log.warn({ err: error }, 'an answer was not kept for a repetition');
    }
  }

  async #forget(id: Uint8Array): Promise<void> {
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

const lostFacts = ({ createdAtMs }: Pick<RequestIdentity, 'createdAtMs'>, firstStatus: number) => ({
  firstAt: new Date(createdAtMs).toISOString(),
  firstStatus,
});

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
