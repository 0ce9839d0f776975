import type { Selectable } from 'kysely';
import type { StateColumns } from '#hub/store/database.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import { rightsSchema, type TopicRight } from './schema.ts';

interface MqttDeviceTable extends StateColumns {
  username: string;
  name: string;
  rights: string;
}
interface MqttDeviceSecretTable {
  device_id: string;
  token_hash: Uint8Array;
  last_seen_at_ms: number | null;
  drops_refused: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    mqtt_device: MqttDeviceTable;
    mqtt_device_secret: MqttDeviceSecretTable;
  }
}

export const deviceTables = {
  mqtt_device: {
    called: 'MQTT device',
    label: { column: 'name' },
    class: 'state',
    owner: 'hub',
    personalColumns: [],
  },
  mqtt_device_secret: { class: 'local', owner: 'hub', personalColumns: [] },
} as const satisfies Registrations;

export interface DeviceRow {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly username: string;
  readonly name: string;
  readonly rights: readonly TopicRight[];
}

/** A device with the hash of its token. */
export interface DeviceSecretRow extends DeviceRow {
  readonly tokenHash: Uint8Array;
  readonly lastSeenAtMs: number | null;
  readonly dropsRefused: boolean;
}

const rowToDevice = (row: Selectable<MqttDeviceTable>): DeviceRow => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  username: row.username,
  name: row.name,
  rights: rightsSchema.parse(JSON.parse(row.rights)),
});

const rowToSecretDevice = (
  row: Selectable<MqttDeviceTable & Omit<MqttDeviceSecretTable, 'device_id'>>,
): DeviceSecretRow => ({
  ...rowToDevice(row),
  tokenHash: row.token_hash,
  lastSeenAtMs: row.last_seen_at_ms,
  dropsRefused: row.drops_refused === 1,
});

const devices = (reader: Reader) =>
  reader
    .selectFrom('mqtt_device')
    .innerJoin('mqtt_device_secret', 'mqtt_device_secret.device_id', 'mqtt_device.id')
    .selectAll('mqtt_device')
    .select(['token_hash', 'last_seen_at_ms', 'drops_refused'])
    .where('deleted_at_ms', 'is', null);

export async function findDevices(reader: Reader): Promise<DeviceSecretRow[]> {
  const rows = await devices(reader).orderBy('username').execute();
  return rows.map(rowToSecretDevice);
}

export async function findDevice(reader: Reader, id: string): Promise<DeviceSecretRow | null> {
  const row = await devices(reader).where('mqtt_device.id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToSecretDevice(row);
}

export async function isUsernameTaken(reader: Reader, username: string): Promise<boolean> {
  const row = await reader
    .selectFrom('mqtt_device')
    .select('id')
    .where('username', '=', username)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

export async function countDevices(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('mqtt_device')
    .select(({ fn }) => fn.countAll<number>().as('devices'))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row?.devices ?? 0;
}

export async function insertDevice(
  tx: Transaction,
  device: Pick<DeviceSecretRow, 'id' | 'username' | 'name' | 'rights' | 'dropsRefused' | 'tokenHash'>,
): Promise<void> {
  const { id, username, name, rights, dropsRefused, tokenHash } = device;
  await tx.insert('mqtt_device', { id, username, name, rights: JSON.stringify(rights) });
  await tx.local
    .insertInto('mqtt_device_secret')
    .values({
      device_id: id,
      token_hash: tokenHash,
      last_seen_at_ms: null,
      drops_refused: dropsRefused ? 1 : 0,
    })
    .execute();
}

export async function updateDevice(
  tx: Transaction,
  id: string,
  changes: Pick<DeviceSecretRow, 'name' | 'rights' | 'dropsRefused'>,
): Promise<void> {
  const { name, rights, dropsRefused } = changes;
  await tx.write('mqtt_device', id, { name, rights: JSON.stringify(rights) });
  await tx.local
    .updateTable('mqtt_device_secret')
    .set({ drops_refused: dropsRefused ? 1 : 0 })
    .where('device_id', '=', id)
    .execute();
}

export async function removeDevice(tx: Transaction, id: string): Promise<void> {
  await tx.remove('mqtt_device', id);
  await tx.local.deleteFrom('mqtt_device_secret').where('device_id', '=', id).execute();
}

export async function saveDeviceToken(tx: Transaction, id: string, tokenHash: Uint8Array): Promise<void> {
  await tx.local
    .updateTable('mqtt_device_secret')
    .set({ token_hash: tokenHash })
    .where('device_id', '=', id)
    .execute();
}

export async function saveDeviceSeen(tx: Transaction, id: string, atMs: number): Promise<void> {
  await tx.local
    .updateTable('mqtt_device_secret')
    .set({ last_seen_at_ms: atMs })
    .where('device_id', '=', id)
    .execute();
}
