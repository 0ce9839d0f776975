import type { Context, Middleware } from 'koa';
import ratelimit from 'koa-ratelimit';
import { LRUCache } from 'lru-cache';
import type { Transport } from '../endpoint/auth.ts';
import { answerProblem, platformProblem } from '../endpoint/problem.ts';

const windowMs = 60_000;

/** Callers on the box itself (kiosk, command line, tests) get so many times the limit of an endpoint. */
export const defaultLocalFactor = 20;

/**
 * koa-ratelimit's memory driver wants a `Map` and never removes anything from it; this one forgets what was used
 * longest ago, and everything after two windows.
 */
export class BoundedCounters extends Map<string, object> {
  readonly #entries: LRUCache<string, object>;

  constructor(maxEntries: number) {
    super();
    this.#entries = new LRUCache({ max: maxEntries, ttl: 2 * windowMs });
  }

  override get(key: string): object | undefined {
    return this.#entries.get(key);
  }
  override has(key: string): boolean {
    return this.#entries.has(key);
  }
  override set(key: string, value: object): this {
    this.#entries.set(key, value);
    return this;
  }
  override get size(): number {
    return this.#entries.size;
  }
}

export interface CallerState {
  readonly requestId: string;
  readonly remoteAddress: string;
  readonly transport: Transport;
}

export const isLocal = (state: Pick<CallerState, 'transport'>): boolean => state.transport !== 'https';

/**
 * Limits one endpoint for each client address. Answers 429 with Retry-After; every answer carries
 * `X-RateLimit-Limit`, `-Remaining` and `-Reset` (s since 1970).
 */
export function limitRate(options: {
  readonly name: string;
  readonly ratePerMinute: number;
  /** Multiplies the limit for callers on the box itself. */
  readonly localFactor: number;
  readonly counters: BoundedCounters;
  readonly stateOf: (ctx: Context) => CallerState;
}): Middleware {
  const limiterFor = (place: string, max: number): Middleware =>
    ratelimit({
      driver: 'memory',
      db: options.counters,
      namespace: `${place} ${options.name}`,
      duration: windowMs,
      max,
      id: (ctx) => options.stateOf(ctx).remoteAddress,
    });
  const remote = limiterFor('lan', options.ratePerMinute);
  const local = limiterFor('box', options.ratePerMinute * options.localFactor);
  return async (ctx, next) => {
    const state = options.stateOf(ctx);
    let passed = false;
    await (isLocal(state) ? local : remote)(ctx, async () => {
      passed = true;
      // The driver reports fractions of a second.
      ctx.set('X-RateLimit-Reset', String(Math.ceil(Number(ctx.response.get('X-RateLimit-Reset')))));
      await next();
    });
    if (passed) return;
    ctx.set('X-RateLimit-Reset', String(Math.ceil(Number(ctx.response.get('X-RateLimit-Reset')))));
    // The driver takes the time left from the wall clock, which a box without a clock of its own sets forward by years.
    const seconds = Number(ctx.response.get('Retry-After'));
    const retryAfterSeconds = seconds >= 1 && seconds <= windowMs / 1000 ? seconds : windowMs / 1000;
    answerProblem(ctx, platformProblem('tooManyRequests', { retryAfterSeconds }), state.requestId);
  };
}
