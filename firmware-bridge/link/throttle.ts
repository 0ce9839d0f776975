/** Runs `onDue` soon after `mark`, at most every `pauseMs`, and never inside the call of `mark`. */
export class Throttle {
  onDue: () => void = () => undefined;
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | null = null;
  #lastMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs;
  }

  readonly mark = (): void => {
    if (this.#timer !== null || this.#stopped) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#lastMs = performance.now();
        this.onDue();
      },
      Math.max(0, this.#lastMs + this.#pauseMs - performance.now()),
    );
  };

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
