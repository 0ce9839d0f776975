import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';

const windowMs = 60_000;
/** Typing errors of somebody with a pile of fobs, and far too few to try the numbers of a site. */
export const maxMissesPerMinute = 10;
/** So long the finding stands after the last refusal. */
const toldMs = 24 * 3_600_000;

interface Tries {
  readonly name: string;
  windowStartMs: number;
  misses: number;
  /** Times that the limit was reached. */
  refusals: number;
  lastRefusedMs: number;
}

type Asker = Pick<Principal, 'kind' | 'accountId' | 'displayName'>;

/**
 * Card numbers that nobody has, by who asked about them. Bounds how many one account can try, so that nobody finds the
 * numbers of a site's cards by counting through them. The command line on the box is not limited.
 */
export class CardGuesses {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #triesByAccount = new Map<string, Tries>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** Seconds that the asker has to wait before the next card; 0: none. */
  waitSeconds(asker: Asker): number {
    const tries = this.#triesByAccount.get(asker.accountId);
    if (tries === undefined || asker.kind === 'console') return 0;
    const nowMs = this.#clock.monotonicMs();
    const leftMs = tries.windowStartMs + windowMs - nowMs;
    if (leftMs <= 0 || tries.misses < maxMissesPerMinute) return 0;
    tries.refusals += 1;
    tries.lastRefusedMs = nowMs;
    return Math.ceil(leftMs / 1000);
  }

  countMiss(asker: Asker): void {
    const nowMs = this.#clock.monotonicMs();
    this.#forget(nowMs);
    const tries = this.#triesByAccount.get(asker.accountId) ?? {
      name: asker.displayName,
      windowStartMs: nowMs,
      misses: 0,
      refusals: 0,
      lastRefusedMs: 0,
    };
    if (nowMs - tries.windowStartMs >= windowMs) {
      tries.windowStartMs = nowMs;
      tries.misses = 0;
    }
    tries.misses += 1;
    this.#triesByAccount.set(asker.accountId, tries);
  }

  findings(): readonly Finding[] {
    this.#forget(this.#clock.monotonicMs());
    return [...this.#triesByAccount].flatMap(([accountId, { name, refusals }]): Finding[] =>
      refusals === 0
        ? []
        : [
            {
              id: `card.guessed:${accountId}`,
              severity: 'warning',
              evidence: `${name} asked about so many card numbers that nobody has that ${refusals} more requests were refused in the last day.`,
              fix: 'Ask them what they were looking for. If it was not them, disable the account or revoke the token: somebody is trying card numbers.',
            },
          ],
    );
  }

  #forget(nowMs: number): void {
    for (const [id, { windowStartMs, refusals, lastRefusedMs }] of this.#triesByAccount) {
      const isOver = nowMs - windowStartMs >= windowMs;
      if (isOver && (refusals === 0 || nowMs - lastRefusedMs >= toldMs)) this.#triesByAccount.delete(id);
    }
  }
}
