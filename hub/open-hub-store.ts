import { existsSync } from 'node:fs';
import path from 'node:path';
import { hubTables } from './domains.ts';
import { type HubConfig, hubPaths } from './platform/config/hub-config.ts';
import { readKey, readOrMakeKey } from './platform/files/keys.ts';
import type { Logger } from './platform/log.ts';
import { type OpenStoreOptions, openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';

/**
 * Opens the store below `stateDir` with every domain's tables, under the lock that a running hub holds. Its key is made
 * with the first store and never again. Throws the Faults of the store.
 */
export async function openHubStore(
  config: Pick<HubConfig, 'stateDir'>,
  deps: { readonly clock: { nowMs(): number }; readonly log: Logger },
  options: Pick<OpenStoreOptions, 'isBulkLoad' | 'writesInThread'> = {},
): Promise<Store> {
  const paths = hubPaths(config);
  const keyPlace = path.join(paths.keys, 'store.key');
  return await openStore({
    path: paths.store,
    key: existsSync(paths.store) ? await readKey(keyPlace) : await readOrMakeKey(keyPlace),
    keyPlace,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../migrations/sqlite'),
    ...deps,
    ...options,
  });
}
