import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deviceTables } from '#hub/domains/devices/repository.ts';
import { mqttTables } from '#hub/mqtt/session-repository.ts';
import { createLog } from '#hub/platform/log.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import { makeMigrations } from '../store/fixture.ts';

const mqttSql = readFileSync(
  path.resolve(import.meta.dirname, '../../migrations/sqlite/0008_mqtt.sql'),
  'utf8',
);

/** A store with the broker's tables only, in a folder of its own. `reopen` closes it and opens it again. */
export interface MqttStore {
  readonly folder: string;
  readonly store: Store;
  reopen(): Promise<Store>;
  close(): Promise<void>;
}

export async function openMqttStore(
  clock: { nowMs(): number } = { nowMs: () => Date.now() },
): Promise<MqttStore> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-'));
  const options = {
    path: path.join(folder, 'hub.sqlite'),
    key: Buffer.alloc(32, 7),
    keyPlace: 'the test',
    registry: { ...deviceTables, ...mqttTables },
    migrationsDir: makeMigrations(folder, { '0002_mqtt.sql': mqttSql }),
    clock,
    log: createLog({ level: 'silent' }),
  };
  let store = await openStore(options);
  return {
    folder,
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openStore(options);
      return store;
    },
    async close() {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
