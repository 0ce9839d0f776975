/** Somebody who holds places: an account, an address, a network. */
export interface Holder {
  readonly name: string;
  /** Places that it may hold at once. */
  readonly share: number;
}

/**
 * Places that many share: at most `total` of them at once, and for each holder its share, so that nobody keeps all the
 * others out. Whoever takes a place may count for several holders (an account and an address).
 */
export class SharedPlaces {
  readonly #total: number;
  readonly #countByName = new Map<string, number>();
  #taken = 0;

  constructor(total: number) {
    this.#total = total;
  }

  get taken(): number {
    return this.#taken;
  }

  get isFull(): boolean {
    return this.#taken >= this.#total;
  }

  /** Returns the function that gives the place back (calling it again does nothing); null when there is none. */
  take(holders: readonly Holder[]): (() => void) | null {
    if (this.isFull) return null;
    const names = holders.map(({ name }) => name);
    if (holders.some(({ name, share }) => (this.#countByName.get(name) ?? 0) >= share)) return null;
    this.#taken += 1;
    for (const name of names) this.#countByName.set(name, (this.#countByName.get(name) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken -= 1;
      for (const name of names) this.#giveBack(name);
    };
  }

  #giveBack(name: string): void {
    const left = (this.#countByName.get(name) ?? 1) - 1;
    if (left === 0) this.#countByName.delete(name);
    else this.#countByName.set(name, left);
  }
}
