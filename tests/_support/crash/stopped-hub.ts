import path from 'node:path';
import { hubTables } from '#hub/domains.ts';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import { readKey } from '#hub/platform/files/keys.ts';
import { createLog } from '#hub/platform/log.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Appliance } from '../appliance.ts';

/** Stops the hub, writes to its store as something that only comes from elsewhere would stand there, and starts it again. */
export async function writeWhileStopped(
  appliance: Appliance,
  work: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await appliance.stop('hub');
  const paths = hubPaths({ stateDir: appliance.stateDir });
  const keyPlace = path.join(paths.keys, 'store.key');
  const store = await openStore({
    path: paths.store,
    key: await readKey(keyPlace),
    keyPlace,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../../migrations/sqlite'),
    clock: { nowMs: () => Date.now() },
    log: createLog({ level: 'silent' }),
  });
  try {
    await store.transact('test.stopped', work);
  } finally {
    await store.close();
  }
  await appliance.start('hub');
}
