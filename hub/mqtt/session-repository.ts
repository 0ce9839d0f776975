import { z } from 'zod';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import {
  type PendingWrite,
  packetToRow,
  type QueuedPacket,
  rowToPacket,
  type StoredPacket,
  type StoredSession,
} from './stored-packet.ts';

interface PacketColumns {
  packet: string;
  payload: Uint8Array | string | null;
}
interface MqttRetainedTable extends PacketColumns {
  topic: string;
}
interface MqttSessionTable {
  client_id: string;
  subscriptions: string;
  seen_at_ms: number;
}
interface MqttOutgoingTable extends PacketColumns {
  id: number;
  client_id: string;
  at_ms: number;
}
interface MqttIncomingTable extends PacketColumns {
  client_id: string;
  message_id: number;
}
interface MqttWillTable extends PacketColumns {
  client_id: string;
}

declare module '#hub/store/database.ts' {
  interface Database {
    mqtt_retained: MqttRetainedTable;
    mqtt_session: MqttSessionTable;
    mqtt_outgoing: MqttOutgoingTable;
    mqtt_incoming: MqttIncomingTable;
    mqtt_will: MqttWillTable;
  }
}

/** Tables of the broker's state: of this machine alone, never replicated. */
export const mqttTables = {
  mqtt_retained: { class: 'local', owner: 'hub', personalColumns: [] },
  mqtt_session: { class: 'local', owner: 'hub', personalColumns: [] },
  mqtt_outgoing: { class: 'local', owner: 'hub', personalColumns: [] },
  mqtt_incoming: { class: 'local', owner: 'hub', personalColumns: [] },
  mqtt_will: { class: 'local', owner: 'hub', personalColumns: [] },
} as const satisfies Registrations;

const subscriptionsSchema = z.array(
  z.strictObject({
    topic: z.string(),
    qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
    rh: z.number().optional(),
    rap: z.boolean().optional(),
    nl: z.boolean().optional(),
    subscriptionIdentifier: z.number().optional(),
  }),
);

/** Everything that the broker kept, in the order in which it was kept. */
export interface StoredState {
  readonly retained: readonly StoredPacket[];
  readonly sessions: readonly StoredSession[];
  readonly outgoing: readonly (QueuedPacket & { readonly clientId: string })[];
  readonly incoming: readonly { readonly clientId: string; readonly packet: StoredPacket }[];
  readonly wills: readonly { readonly clientId: string; readonly packet: StoredPacket }[];
}

export async function loadMqttState(reader: Reader): Promise<StoredState> {
  const retained = await reader.selectFrom('mqtt_retained').selectAll().execute();
  const sessions = await reader.selectFrom('mqtt_session').selectAll().orderBy('seen_at_ms').execute();
  const outgoing = await reader.selectFrom('mqtt_outgoing').selectAll().orderBy('id').execute();
  const incoming = await reader.selectFrom('mqtt_incoming').selectAll().execute();
  const wills = await reader.selectFrom('mqtt_will').selectAll().execute();
  return {
    retained: retained.map(rowToPacket),
    sessions: sessions.map((row) => ({
      clientId: row.client_id,
      subscriptions: subscriptionsSchema.parse(JSON.parse(row.subscriptions)),
      seenAtMs: row.seen_at_ms,
    })),
    outgoing: outgoing.map((row) => ({
      id: row.id,
      clientId: row.client_id,
      atMs: row.at_ms,
      packet: rowToPacket(row),
    })),
    incoming: incoming.map((row) => ({ clientId: row.client_id, packet: rowToPacket(row) })),
    wills: wills.map((row) => ({ clientId: row.client_id, packet: rowToPacket(row) })),
  };
}

/** Each write names the row as it is to be; null: it is to be gone. One call for whatever has gathered. */
export async function saveMqttState(tx: Transaction, writes: readonly PendingWrite[]): Promise<void> {
  for (const write of writes) await saveOne(tx, write);
}

async function saveOne(tx: Transaction, write: PendingWrite): Promise<void> {
  switch (write.kind) {
    case 'retained':
      return await saveRetained(tx, write.topic, write.packet);
    case 'session':
      return await saveSession(tx, write.clientId, write.session);
    case 'outgoing':
      return await saveOutgoing(tx, write.id, write.clientId, write.queued);
    case 'incoming':
      return await saveIncoming(tx, write.clientId, write.messageId, write.packet);
    case 'will':
      return await saveWill(tx, write.clientId, write.packet);
  }
}

async function saveRetained(tx: Transaction, topic: string, packet: StoredPacket | null): Promise<void> {
  if (packet === null) {
    await tx.local.deleteFrom('mqtt_retained').where('topic', '=', topic).execute();
    return;
  }
  const columns = packetToRow(packet);
  await tx.local
    .insertInto('mqtt_retained')
    .values({ topic, ...columns })
    .onConflict((conflict) => conflict.column('topic').doUpdateSet(columns))
    .execute();
}

async function saveSession(tx: Transaction, clientId: string, session: StoredSession | null): Promise<void> {
  if (session === null) {
    await tx.local.deleteFrom('mqtt_session').where('client_id', '=', clientId).execute();
    return;
  }
  const columns = {
    subscriptions: JSON.stringify(session.subscriptions),
    seen_at_ms: session.seenAtMs,
  };
  await tx.local
    .insertInto('mqtt_session')
    .values({ client_id: clientId, ...columns })
    .onConflict((conflict) => conflict.column('client_id').doUpdateSet(columns))
    .execute();
}

async function saveOutgoing(
  tx: Transaction,
  id: number,
  clientId: string,
  queued: QueuedPacket | null,
): Promise<void> {
  if (queued === null) {
    await tx.local.deleteFrom('mqtt_outgoing').where('id', '=', id).execute();
    return;
  }
  const columns = packetToRow(queued.packet);
  await tx.local
    .insertInto('mqtt_outgoing')
    .values({ id, client_id: clientId, at_ms: queued.atMs, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
}

async function saveIncoming(
  tx: Transaction,
  clientId: string,
  messageId: number,
  packet: StoredPacket | null,
): Promise<void> {
  if (packet === null) {
    await tx.local
      .deleteFrom('mqtt_incoming')
      .where('client_id', '=', clientId)
      .where('message_id', '=', messageId)
      .execute();
    return;
  }
  const columns = packetToRow(packet);
  await tx.local
    .insertInto('mqtt_incoming')
    .values({ client_id: clientId, message_id: messageId, ...columns })
    .onConflict((conflict) => conflict.columns(['client_id', 'message_id']).doUpdateSet(columns))
    .execute();
}

async function saveWill(tx: Transaction, clientId: string, packet: StoredPacket | null): Promise<void> {
  if (packet === null) {
    await tx.local.deleteFrom('mqtt_will').where('client_id', '=', clientId).execute();
    return;
  }
  const columns = packetToRow(packet);
  await tx.local
    .insertInto('mqtt_will')
    .values({ client_id: clientId, ...columns })
    .onConflict((conflict) => conflict.column('client_id').doUpdateSet(columns))
    .execute();
}
