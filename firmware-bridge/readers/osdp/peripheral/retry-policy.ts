/** A single lost byte costs one turn; a silent reader costs the others less and less. */
const retryDelaysMs = [0, 100, 300] as const;
const lastRetryDelayMs = 1000;
const probeDelaysMs = [1000, 2000, 4000] as const;
const lastProbeDelayMs = 5000;
const busyDelayMs = 100;
const maxTries = 3;

/** How much noise and how many lost sessions a reader may have before it has to wait. */
export interface Patience {
  /** A session that was used for this long was good: the next handshake follows at once. */
  readonly settledMs: number;
  /** Pauses before the handshakes that follow a good session, for as long as the reader answers. */
  readonly reconnectDelaysMs: readonly number[];
  /** This many tries in a row that bring bytes but no valid answer end the session. */
  readonly garbledTries: number;
  /** Damaged answers are asked for again at once, without waiting for the time-out. */
  readonly hurriesAfterNoise: boolean;
}

export const usualPatience: Patience = {
  settledMs: 0,
  reconnectDelaysMs: [0, 50, 100, 200, 300, 500],
  garbledTries: 8,
  hurriesAfterNoise: true,
};

/** When to resend an unanswered command, and when to probe an offline reader. */
export class RetryPolicy {
  readonly #patience: Patience;
  #tries = 0;
  /** Consecutive tries with bytes that were no valid answer. */
  #garbled = 0;
  #failures = 0;
  /** Handshakes since the last good session; infinity: there has been none. */
  #reconnects = Number.POSITIVE_INFINITY;
  #onlineSinceMs: number | null = null;
  /** The session has brought an answer. */
  #isUsed = false;
  #retryAtMs = 0;
  #probeAtMs = 0;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  get retryAtMs(): number {
    return this.#retryAtMs;
  }
  get probeAtMs(): number {
    return this.#probeAtMs;
  }
  /** It has just been in a session: nothing that is known already is asked again. */
  get isReturning(): boolean {
    return this.#reconnects < this.#patience.reconnectDelaysMs.length;
  }
  /** The last command timed out. */
  get isRetrying(): boolean {
    return this.#tries > 0;
  }
  /** Too many retries for a reader without a session. */
  get isExhausted(): boolean {
    return this.#tries >= maxTries || this.isOutOfSync;
  }

  /** It keeps answering and none of it is valid: its session state differs from ours. */
  get isOutOfSync(): boolean {
    return this.#garbled >= this.#patience.garbledTries;
  }

  /**
   * A damaged answer need not be waited out. Every second time it is: what came may have been noise before a slow
   * answer.
   */
  get mayHurry(): boolean {
    return this.#patience.hurriesAfterNoise && this.#garbled % 2 === 0;
  }

  online(nowMs: number): void {
    this.#onlineSinceMs = nowMs;
    this.#isUsed = false;
  }

  /** `isOfSession`: the answer shows that the session works. */
  answered(nowMs: number, isOfSession: boolean): void {
    this.#tries = 0;
    this.#garbled = 0;
    this.#isUsed ||= isOfSession && this.#onlineSinceMs !== null;
    if (this.#isSettled(nowMs)) this.#noteGood();
  }

  unanswered(nowMs: number, isGarbled: boolean): void {
    this.#garbled = isGarbled ? this.#garbled + 1 : 0;
    const isHurried = isGarbled && this.#patience.hurriesAfterNoise;
    this.#retryAtMs = nowMs + (isHurried ? 0 : (retryDelaysMs[this.#tries] ?? lastRetryDelayMs));
    if (!isHurried) this.#tries += 1;
  }

  busy(nowMs: number): void {
    this.#retryAtMs = nowMs + busyDelayMs;
  }

  /**
   * Schedules the next handshake: at once after a good session and soon while the reader answers, else later with
   * every failure.
   */
  failed(nowMs: number, isAnswering: boolean): void {
    if (this.#isSettled(nowMs)) {
      this.#noteGood();
      if (!isAnswering) this.#reconnects = Number.POSITIVE_INFINITY;
      this.#start(nowMs);
      return;
    }
    const soonMs = isAnswering ? this.#patience.reconnectDelaysMs[this.#reconnects] : undefined;
    this.#reconnects += 1;
    if (soonMs === undefined) this.#failures += 1;
    this.#start(nowMs + (soonMs ?? probeDelaysMs[this.#failures - 1] ?? lastProbeDelayMs));
  }

  /** Schedules the next handshake at once, for another key. */
  restart(nowMs: number): void {
    this.#start(nowMs);
  }

  /** Schedules it at once and forgets earlier failures. */
  reset(nowMs: number): void {
    this.#failures = 0;
    this.#reconnects = Number.POSITIVE_INFINITY;
    this.#start(nowMs);
  }

  #noteGood(): void {
    this.#failures = 0;
    this.#reconnects = 0;
  }

  #start(probeAtMs: number): void {
    this.#tries = 0;
    this.#garbled = 0;
    this.#onlineSinceMs = null;
    this.#probeAtMs = probeAtMs;
  }

  #isSettled(nowMs: number): boolean {
    if (!this.#isUsed) return false;
    return this.#onlineSinceMs !== null && nowMs - this.#onlineSinceMs >= this.#patience.settledMs;
  }
}
