import type { Database } from './database.ts';

/** When each table was last written to inside the transactions of one store, by a count of its own. */
export class WriteMarks {
  readonly #marks = new Map<string, number>();
  #last = 0;
  #undone = 0;

  noteWrite(table: string): void {
    this.#last += 1;
    this.#marks.set(table, this.#last);
  }

  /** Something was rolled back: whatever was found out meanwhile may not be so. */
  noteUndone(): void {
    this.#last += 1;
    this.#undone = this.#last;
  }

  of(table: string): number {
    return Math.max(this.#marks.get(table) ?? 0, this.#undone);
  }
}

/**
 * What a transaction knows of a table and leaves to those after it, so that they need not ask the store: see
 * `Transaction.leave`.
 */
export class TableNote<T> {
  readonly #table: keyof Database;
  readonly #left = new WeakMap<WriteMarks, { readonly value: T; readonly mark: number }>();

  constructor(table: keyof Database) {
    this.#table = table;
  }

  leave(marks: WriteMarks, value: T): void {
    this.#left.set(marks, { value, mark: marks.of(this.#table) });
  }

  recall(marks: WriteMarks): T | undefined {
    const left = this.#left.get(marks);
    return left?.mark === marks.of(this.#table) ? left.value : undefined;
  }
}
