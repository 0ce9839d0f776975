/** Wrong logins of one address within the window before it is not listened to for the rest of it. */
const maxWrong = 20;
const windowMs = 60_000;
/** Addresses that are remembered; the one that was quiet for longest is forgotten first. */
const maxAddresses = 1000;

interface Count {
  wrong: number;
  readonly sinceMs: number;
}

/**
 * Counts wrong logins by address, in memory. A token has 256 random bits, so nobody guesses one; the count keeps a
 * device with an old token from filling the log and from taking time. Nothing of it is written: it happens too often.
 */
export class LoginAttempts {
  readonly #now: () => number;
  readonly #counts = new Map<string, Count>();
  #wrong = 0;

  /** `now`: ms that never go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Wrong logins since the start. */
  get wrong(): number {
    return this.#wrong;
  }

  isLocked(address: string): boolean {
    return (this.#current(address)?.wrong ?? 0) >= maxWrong;
  }

  get lockedAddresses(): readonly string[] {
    return [...this.#counts.keys()].filter((address) => this.isLocked(address));
  }

  /** Returns how many there were in this window, this one with them. */
  noteWrong(address: string): number {
    this.#wrong += 1;
    const count = this.#current(address) ?? { wrong: 0, sinceMs: this.#now() };
    count.wrong += 1;
    this.#counts.delete(address);
    this.#counts.set(address, count);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > maxAddresses && oldest !== undefined) this.#counts.delete(oldest);
    return count.wrong;
  }

  #current(address: string): Count | undefined {
    const count = this.#counts.get(address);
    if (count === undefined || this.#now() - count.sinceMs < windowMs) return count;
    this.#counts.delete(address);
    return undefined;
  }
}
