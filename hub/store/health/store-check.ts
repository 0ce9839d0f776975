import { stat } from 'node:fs/promises';
import { sql } from 'kysely';
import type { Store } from '../store.ts';

/** Flaws of a damaged file are many; a few say enough. */
const maxFlaws = 5;

/**
 * Reads every page of the store on the reader Worker (each carries a tag of the cipher, so a changed byte shows) and
 * compares its structure. Returns SQLite's words for what is wrong; [] when it is whole. Takes seconds per 100 MB.
 * Faults: `storeCorrupt` where a page cannot even be read, `storeBusy`.
 */
export async function findStoreFlaws(store: Pick<Store, 'report'>): Promise<readonly string[]> {
  const rows = await store.report((reader) =>
    reader
      .selectFrom(sql<{ quick_check: string }>`pragma_quick_check`.as('flaw'))
      .select('quick_check')
      .execute(),
  );
  return rows
    .map(({ quick_check }) => quick_check)
    .filter((word) => word !== 'ok')
    .slice(0, maxFlaws);
}

/** Bytes of the database file and of its write-ahead log; null where there is none. */
export async function storeFileSizes(
  path: string,
): Promise<{ readonly databaseBytes: number | null; readonly logBytes: number | null }> {
  const sizeOf = (file: string): Promise<number | null> =>
    stat(file).then(
      ({ size }) => size,
      () => null,
    );
  return { databaseBytes: await sizeOf(path), logBytes: await sizeOf(`${path}-wal`) };
}
