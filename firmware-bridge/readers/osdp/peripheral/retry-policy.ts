/** A single lost byte costs one turn; a silent reader costs the others less and less. */
const retryDelaysMs = [0, 100, 300] as const;
const lastRetryDelayMs = 1000;
const probeDelaysMs = [1000, 2000, 4000] as const;
const lastProbeDelayMs = 5000;
/** A session that lasted this long was good: the next handshake follows at once. */
const settledMs = 5000;
const busyDelayMs = 100;
const maxTries = 3;

/** When to resend an unanswered command, and when to probe an offline reader. */
export class RetryPolicy {
  #tries = 0;
  /** Consecutive time-outs with bytes that were no valid answer. */
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
  /** The last command timed out. */
  get isRetrying(): boolean {
    return this.#tries > 0;
  }
  /** Too many retries for a reader without a session. */
  get isExhausted(): boolean {
    return this.#tries >= maxTries;
  }

  /** It keeps answering and none of it is valid: its session state differs from ours. */
  get isOutOfSync(): boolean {
    return this.#garbled >= maxTries;
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

  /** Schedules the next handshake: at once after a good session, else later with every failure. */
  failed(nowMs: number): void {
    this.#failures = this.#isSettled(nowMs) ? 0 : this.#failures + 1;
    const delay = this.#failures === 0 ? 0 : (probeDelaysMs[this.#failures - 1] ?? lastProbeDelayMs);
    this.#start(nowMs + delay);
  }

  /** Schedules the next handshake at once, for another key. */
  restart(nowMs: number): void {
    this.#start(nowMs);
  }

  /** Schedules it at once and forgets earlier failures. */
  reset(nowMs: number): void {
    this.#failures = 0;
    this.#start(nowMs);
  }

  #start(probeAtMs: number): void {
    this.#tries = 0;
    this.#garbled = 0;
    this.#onlineSinceMs = null;
    this.#probeAtMs = probeAtMs;
  }

  #isSettled(nowMs: number): boolean {
    return this.#onlineSinceMs !== null && nowMs - this.#onlineSinceMs >= settledMs;
  }
}
