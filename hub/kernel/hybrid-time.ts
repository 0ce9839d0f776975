/** Steps of the counter in one millisecond: `ms * 2048 + counter` fits 53 bits until the year 2109. */
const stepsPerMs = 2048;

export const hybridToMs = (hlc: number): number => Math.floor(hlc / stepsPerMs);
export const msToHybrid = (ms: number): number => ms * stepsPerMs;

/**
 * Hybrid logical time: every tick is later than all before it and than all that was seen from elsewhere, and close to the
 * clock where the clock is right. Kulkarni et al., "Logical Physical Clocks", 2014.
 */
export class HybridClock {
  #last: number;

  /** @param last the last tick that was given out before, 0 for none */
  constructor(last: number) {
    this.#last = last;
  }

  tick(nowMs: number): number {
    this.#last = Math.max(msToHybrid(nowMs), this.#last + 1);
    return this.#last;
  }

  /** A time from elsewhere. */
  observe(hlc: number): void {
    this.#last = Math.max(this.#last, hlc);
  }
}
