/** A single lost byte costs one turn; a reader that stays silent costs the others less and less. */
const retryDelaysMs = [0, 100, 300] as const;
const lastRetryDelayMs = 1000;
const probeDelaysMs = [1000, 2000, 4000] as const;
const lastProbeDelayMs = 5000;
/** A session that lasted so long was a good one: the next is tried at once. */
const settledMs = 5000;
const busyDelayMs = 100;
const mostTries = 3;

/** When a command that was not answered is sent again, and when a reader that was given up is asked again. */
export class Patience {
  #tries = 0;
  /** Time-outs in a row in which something came that was no right answer. */
  #garbled = 0;
  #failures = 0;
  #onlineSinceMs: number | null = null;
  #retryAtMs = 0;
  #probeAtMs = 0;

  get retryAtMs(): number {
    return this.#retryAtMs;
  }
  get probeAtMs(): number {
    return this.#probeAtMs;
  }
  /** The last command was not answered. */
  get isTried(): boolean {
    return this.#tries > 0;
  }
  /** Enough for a reader that has no session yet. */
  get isSpent(): boolean {
    return this.#tries >= mostTries;
  }

  /** It answers again and again, and never so that we understand it: it has another idea of the session than we. */
  get isAtOdds(): boolean {
    return this.#garbled >= mostTries;
  }

  online(nowMs: number): void {
    this.#onlineSinceMs = nowMs;
  }

  answered(nowMs: number): void {
    this.#tries = 0;
    this.#garbled = 0;
    if (this.#isSettled(nowMs)) this.#failures = 0;
  }

  unanswered(nowMs: number, isGarbled: boolean): void {
    this.#garbled = isGarbled ? this.#garbled + 1 : 0;
    this.#retryAtMs = nowMs + (retryDelaysMs[this.#tries] ?? lastRetryDelayMs);
    this.#tries += 1;
  }

  busy(nowMs: number): void {
    this.#retryAtMs = nowMs + busyDelayMs;
  }

  /** The next handshake: at once after a good session, else later with every failure. */
  failed(nowMs: number): void {
    this.#failures = this.#isSettled(nowMs) ? 0 : this.#failures + 1;
    const delay = this.#failures === 0 ? 0 : (probeDelaysMs[this.#failures - 1] ?? lastProbeDelayMs);
    this.#restart(nowMs + delay);
  }

  /** The next handshake at once: another key may be right. */
  restart(nowMs: number): void {
    this.#restart(nowMs);
  }

  /** The same, with nothing held against the reader. */
  forgive(nowMs: number): void {
    this.#failures = 0;
    this.#restart(nowMs);
  }

  #restart(probeAtMs: number): void {
    this.#tries = 0;
    this.#garbled = 0;
    this.#onlineSinceMs = null;
    this.#probeAtMs = probeAtMs;
  }

  #isSettled(nowMs: number): boolean {
    return this.#onlineSinceMs !== null && nowMs - this.#onlineSinceMs >= settledMs;
  }
}
