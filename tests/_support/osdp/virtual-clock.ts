/** Time that passes when told to; what is due at one moment happens in the order of asking. */
export class VirtualClock {
  #nowMs = 0;
  #due: { atMs: number; action: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  /** Gives what takes the action back. */
  readonly later = (delayMs: number, action: () => void): (() => void) => {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const index = this.#due.findIndex((one) => one.atMs > atMs);
    const due = { atMs, action };
    this.#due.splice(index < 0 ? this.#due.length : index, 0, due);
    return () => {
      this.#due = this.#due.filter((one) => one !== due);
    };
  };

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#due[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#due.shift();
      this.#nowMs = next.atMs;
      next.action();
    }
    this.#nowMs = untilMs;
  }

  /** Until nothing is due any more. */
  playOut(): void {
    for (let next = this.#due[0]; next !== undefined; next = this.#due[0])
      this.advance(next.atMs - this.#nowMs);
  }
}
