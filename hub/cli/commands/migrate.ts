import path from 'node:path';
import { readKey } from '#hub/platform/files/keys.ts';
import { createMigration } from '#hub/store/migrating/migration-files.ts';
import { migrateUp, migrationStatus } from '#hub/store/migrating/migrations.ts';
import { type Command, type CommandContext, UsageProblem } from '../command.ts';
import { assertStore } from '../find-state.ts';
import { migrationLine } from '../migration-line.ts';

type MigrateCommand = Pick<CommandContext, 'operands' | 'stateDir' | 'stateInWords' | 'root'>;

/**
 * `migrate status|up|create NAME`: works on the store itself; `up` under the hub's lock, so with the hub stopped.
 * Returns what to print, or null when the operands are none of these.
 */
async function runMigrateCommand(command: MigrateCommand): Promise<readonly string[] | null> {
  const [action, name] = command.operands;
  const migrationsDir = path.join(command.root, 'migrations/sqlite');
  const storePath = path.join(command.stateDir, 'hub/hub.sqlite');
  const keyPlace = path.join(command.stateDir, 'hub/keys/store.key');
  const open = async () => ({
    path: storePath,
    key: await readKey(keyPlace),
    keyPlace,
  });
  if (action === 'status') {
    assertStore(command);
    return migrationStatus(await open(), migrationsDir).map(migrationLine);
  }
  if (action === 'up') {
    assertStore(command);
    const applied = migrateUp(await open(), migrationsDir, { nowMs: Date.now });
    return applied.length === 0 ? ['Nothing to do: every migration is applied.'] : applied.map(migrationLine);
  }
  if (action === 'create' && name !== undefined) return [`Made ${createMigration(migrationsDir, name)}`];
  return null;
}

export const migrate: Command = {
  usage: 'migrate status | up | create NAME',
  summary: "the database's migrations",
  details: '`up` needs the hub stopped; a start of the hub does the same.',
  async run({ operands, stateDir, stateInWords, root, print }) {
    const lines = await runMigrateCommand({ operands, stateDir, stateInWords, root });
    if (lines === null) throw new UsageProblem('migrate takes status, up, or create NAME.');
    for (const text of lines) print(text);
    return undefined;
  },
};
