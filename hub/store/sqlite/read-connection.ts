import type { ColumnValue } from '../canonical-json.ts';
import { openConnection, type StoreLocation } from './open.ts';
import { StatementCache } from './statement-cache.ts';

/** A connection that only reads, for a Worker of its own. Each read is its own snapshot. */
export interface ReadConnection {
  /** Rows as objects. */
  all(sql: string, ...parameters: readonly ColumnValue[]): unknown[];
  /** Rows as lists of values, in the order of the columns. */
  lists(sql: string, ...parameters: readonly ColumnValue[]): ColumnValue[][];
  close(): void;
}

/** Opens it; `cacheKib`: page cache. Throws what SQLite says. */
export function openReadConnection(location: StoreLocation, cacheKib: number): ReadConnection {
  const connection = openConnection(location, { mode: 'read', cacheKib });
  const objects = new StatementCache(connection);
  const lists = new StatementCache(connection);
  return {
    all: (sql, ...parameters) => objects.prepare(sql).all(...parameters),
    lists(sql, ...parameters) {
      const rows: unknown[] = lists
        .prepare(sql)
        .raw(true)
        .all(...parameters);
      return rows.filter((row): row is ColumnValue[] => Array.isArray(row));
    },
    close: () => connection.close(),
  };
}
