import type { Later } from '#bridge/ports.ts';

/** A loose plug must not fill the journal: after so many entries within this time the rest is counted. */
const mostEntries = 4;
const windowMs = 10 * 60_000;

/** Writes down when something goes and comes back; one that does so all the time is summed up. */
export class Alternation {
  readonly #later: Later;
  readonly #write: (isGone: boolean, changes: number) => void;
  #isGone = false;
  #entries = 0;
  /** Changes that are not written down yet. */
  #unwritten = 0;
  #cancel: (() => void) | null = null;

  /** `write`: `changes` that came before this one and were not written down. */
  constructor(later: Later, write: (isGone: boolean, changes: number) => void) {
    this.#later = later;
    this.#write = write;
  }

  /** Notes a change; the same state again is none. */
  note(isGone: boolean): void {
    if (isGone === this.#isGone) return;
    this.#isGone = isGone;
    if (this.#entries < mostEntries) this.#append(0);
    else this.#unwritten += 1;
  }

  #append(changes: number): void {
    this.#entries += 1;
    this.#write(this.#isGone, changes);
    this.#cancel ??= this.#later(windowMs, () => this.#onWindowEnd());
  }

  #onWindowEnd(): void {
    this.#cancel = null;
    this.#entries = 0;
    const changes = this.#unwritten;
    this.#unwritten = 0;
    if (changes > 0) this.#append(changes);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

/** The words for changes that were summed up; empty: there were none. */
export const changesNote = (changes: number): string =>
  changes === 0 ? '' : `went and came all the time: ${String(changes)} more changes within ten minutes`;
