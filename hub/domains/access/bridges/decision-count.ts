import type { AccessEventRow } from '../events/repository.ts';

/** Combinations that are counted apart; doors are few, so this is never reached but by a mistake. */
const maxCombinations = 2000;

export interface DecisionCount {
  readonly result: 'granted' | 'denied';
  /** Why it was denied; empty when granted. */
  readonly reason: string;
  /** The door's key in its controller's configuration. */
  readonly portal: string;
  value: number;
}

/** Counts the decisions that arrive from the doors, those of a backlog when they arrive. */
export class DecisionCounter {
  readonly #counts = new Map<string, DecisionCount>();

  add(rows: readonly Pick<AccessEventRow, 'kind' | 'reason' | 'details'>[]): void {
    for (const { kind, reason, details } of rows) {
      if (kind !== 'granted' && kind !== 'denied') continue;
      let portal = details.portalKey ?? 'unknown';
      let key = `${kind}/${reason ?? ''}/${portal}`;
      if (!this.#counts.has(key) && this.#counts.size >= maxCombinations) {
        portal = 'other';
        key = `${kind}/${reason ?? ''}/${portal}`;
      }
      const count = this.#counts.get(key) ?? { result: kind, reason: reason ?? '', portal, value: 0 };
      count.value += 1;
      this.#counts.set(key, count);
    }
  }

  all(): readonly Readonly<DecisionCount>[] {
    return [...this.#counts.values()];
  }
}
