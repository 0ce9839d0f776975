import { z } from 'zod';

/** Stored form of an MQTT packet; `payload` is text only when code of this process published text. */
export interface StoredPacket {
  readonly cmd?: 'publish' | 'pubrel' | undefined;
  readonly topic?: string | undefined;
  readonly payload?: Buffer | string | undefined;
  readonly qos?: 0 | 1 | 2 | undefined;
  readonly retain?: boolean | undefined;
  readonly dup?: boolean | undefined;
  readonly messageId?: number | undefined;
  /** Broker run and sequence number within it, by which the broker recognises copies of a message. */
  readonly brokerId?: string | undefined;
  readonly brokerCounter?: number | undefined;
  /** The connection that published it, or whose will it is. */
  readonly clientId?: string | undefined;
}

export interface Subscription {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly rh?: number | undefined;
  readonly rap?: boolean | undefined;
  readonly nl?: boolean | undefined;
  readonly subscriptionIdentifier?: number | undefined;
}

export interface StoredSession {
  readonly clientId: string;
  readonly subscriptions: readonly Subscription[];
  /** UTC ms of the last connect or disconnect. */
  readonly seenAtMs: number;
}

/** One message that waits for one client. `id` orders them and names the row. */
export interface QueuedPacket {
  readonly id: number;
  readonly packet: StoredPacket;
  readonly atMs: number;
}

/** A row as it is to be on the disk; null: gone. */
export type PendingWrite =
  | { readonly kind: 'retained'; readonly topic: string; readonly packet: StoredPacket | null }
  | { readonly kind: 'session'; readonly clientId: string; readonly session: StoredSession | null }
  | {
      readonly kind: 'outgoing';
      readonly clientId: string;
      readonly id: number;
      readonly queued: QueuedPacket | null;
    }
  | {
      readonly kind: 'incoming';
      readonly clientId: string;
      readonly messageId: number;
      readonly packet: StoredPacket | null;
    }
  | { readonly kind: 'will'; readonly clientId: string; readonly packet: StoredPacket | null };

const packetJsonSchema = z.looseObject({
  cmd: z.enum(['publish', 'pubrel']).optional(),
  topic: z.string().optional(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).optional(),
  retain: z.boolean().optional(),
  dup: z.boolean().optional(),
  messageId: z.number().int().nullable().optional(),
  brokerId: z.string().optional(),
  brokerCounter: z.number().int().optional(),
  clientId: z.string().optional(),
});

export function packetToRow(packet: StoredPacket): { packet: string; payload: Uint8Array | string | null } {
  const { payload, ...rest } = packet;
  // A message id that is there and not given yet stays there.
  const json = 'messageId' in rest ? { ...rest, messageId: rest.messageId ?? null } : rest;
  return { packet: JSON.stringify(json), payload: payload ?? null };
}

export function rowToPacket(row: { packet: string; payload: Uint8Array | string | null }): StoredPacket {
  const { messageId, ...rest } = packetJsonSchema.parse(JSON.parse(row.packet));
  return {
    ...rest,
    ...(messageId === undefined ? {} : { messageId: messageId ?? undefined }),
    ...(row.payload === null ? {} : { payload: payloadOf(row.payload) }),
  };
}

function payloadOf(payload: Uint8Array | string): Buffer | string {
  if (typeof payload === 'string') return payload;
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Estimates the memory that a message takes. */
export const packetBytes = ({ topic, payload }: StoredPacket): number =>
  200 + (topic?.length ?? 0) + (payload === undefined ? 0 : Buffer.byteLength(payload));

/** A message as it waits for a client: no message id, that is given when it is sent. */
export const queuedCopy = (packet: StoredPacket): StoredPacket => ({
  cmd: 'publish',
  brokerId: packet.brokerId,
  brokerCounter: packet.brokerCounter,
  topic: packet.topic,
  payload: packet.payload,
  qos: packet.qos ?? 0,
  retain: packet.retain ?? false,
  dup: packet.dup ?? false,
  messageId: undefined,
});
