import { readMigrations } from '#hub/store/migrating/migration-files.ts';
import type { CentralClient } from '#hub/sync/central/connection.ts';
import {
  assertVersion,
  type CentralMigrationState,
  pendingMigrations,
  readApplied,
} from '#hub/sync/central/migrations.ts';

/** Reads which migrations of `directory` the central database has had, and when; refuses as `migrateCentral` does. */
export async function centralMigrationStatus(
  client: CentralClient,
  directory: string,
): Promise<readonly CentralMigrationState[]> {
  const known = readMigrations(directory);
  await assertVersion(client);
  const applied = await readApplied(client);
  pendingMigrations(known, applied);
  return known.map(({ number, name }, index) => ({
    number,
    name,
    appliedAtMs: applied[index]?.appliedAtMs ?? null,
  }));
}
