import type Sqlite from 'better-sqlite3-multiple-ciphers';
import type { Connection } from './open.ts';

export type Prepared = Sqlite.Statement;

/** Prepared statements of one connection by their text; the one unused for longest goes when the cache is full. */
export class StatementCache {
  readonly #connection: Connection;
  readonly #limit: number;
  readonly #statements = new Map<string, Prepared>();

  constructor(connection: Connection, limit = 200) {
    this.#connection = connection;
    this.#limit = limit;
  }

  /** Throws SQLite's error when `sql` does not compile. */
  prepare(sql: string): Prepared {
    const cached = this.#statements.get(sql);
    if (cached !== undefined) {
      this.#statements.delete(sql);
      this.#statements.set(sql, cached);
      return cached;
    }
    const prepared = this.#connection.prepare(sql);
    this.#statements.set(sql, prepared);
    if (this.#statements.size > this.#limit) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    return prepared;
  }
}
