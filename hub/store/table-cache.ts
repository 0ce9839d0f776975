import type { Database } from './database.ts';

/** Numbers the writes of one store's transactions and keeps, per table, the number of the last one. */
export class WriteMarks {
  readonly #marks = new Map<string, number>();
  #last = 0;
  #undone = 0;

  noteWrite(table: string): void {
    this.#last += 1;
    this.#marks.set(table, this.#last);
  }

  /** Invalidates everything: after a rollback, values remembered in between may be wrong. */
  noteUndone(): void {
    this.#last += 1;
    this.#undone = this.#last;
  }

  of(table: string): number {
    return Math.max(this.#marks.get(table) ?? 0, this.#undone);
  }
}

/**
 * Carries a value derived from a table from one transaction to the next, which is spared a query: see
 * `Transaction.remember`.
 */
export class TableCache<T> {
  readonly #table: keyof Database;
  readonly #entries = new WeakMap<WriteMarks, { readonly value: T; readonly mark: number }>();

  constructor(table: keyof Database) {
    this.#table = table;
  }

  remember(marks: WriteMarks, value: T): void {
    this.#entries.set(marks, { value, mark: marks.of(this.#table) });
  }

  recall(marks: WriteMarks): T | undefined {
    const entry = this.#entries.get(marks);
    return entry?.mark === marks.of(this.#table) ? entry.value : undefined;
  }
}
