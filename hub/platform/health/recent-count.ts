/** Derives the recent growth of a counter from samples of it. */
export class RecentCount {
  readonly #forgetAfterMs: number;
  #seen = 0;
  #spell: { readonly lastAtMs: number; readonly count: number } | null = null;

  /** @param forgetAfterMs without growth for so long, what was counted is over */
  constructor(forgetAfterMs: number) {
    this.#forgetAfterMs = forgetAfterMs;
  }

  /** Returns the growth since the counter last stood still for `forgetAfterMs`; 0 while it does. */
  update(total: number, monotonicMs: number): number {
    if (this.#spell !== null && monotonicMs - this.#spell.lastAtMs > this.#forgetAfterMs) this.#spell = null;
    if (total > this.#seen)
      this.#spell = { lastAtMs: monotonicMs, count: (this.#spell?.count ?? 0) + total - this.#seen };
    this.#seen = total;
    return this.#spell?.count ?? 0;
  }
}
