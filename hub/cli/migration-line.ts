import { fullName } from '#hub/store/migrating/migration-files.ts';

/** How a migration of either database is printed: `0007_printer  applied 2026-11-23T10:00:00.000Z`, or `waits`. */
export const migrationLine = (migration: {
  readonly number: number;
  readonly name: string;
  readonly appliedAtMs: number | null;
}): string =>
  `${fullName(migration)}  ${migration.appliedAtMs === null ? 'waits' : `applied ${new Date(migration.appliedAtMs).toISOString()}`}`;
