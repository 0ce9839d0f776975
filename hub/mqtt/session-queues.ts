import type { SessionDrops, SessionLimits } from './session-limits.ts';
import type { SessionWrites } from './session-writes.ts';
import { packetBytes, type QueuedPacket, queuedCopy, type StoredPacket } from './stored-packet.ts';

interface Entry {
  readonly id: number;
  readonly atMs: number;
  readonly bytes: number;
  packet: StoredPacket;
  /** On its way through the broker: kept for a restart, not yet to be sent. */
  held: boolean;
}

interface Queue {
  readonly entries: Map<number, Entry>;
  bytes: number;
}

/** Queues messages for each client, oldest first, in memory and on the disk. */
export class SessionQueues {
  readonly #limits: SessionLimits;
  readonly #drops: SessionDrops;
  readonly #writes: SessionWrites;
  readonly #byClient = new Map<string, Queue>();
  #nextId = 1;
  #bytes = 0;
  #count = 0;

  constructor(limits: SessionLimits, drops: SessionDrops, writes: SessionWrites) {
    this.#limits = limits;
    this.#drops = drops;
    this.#writes = writes;
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes over what the disk has. */
  load(clientId: string, queued: QueuedPacket): void {
    this.#nextId = Math.max(this.#nextId, queued.id + 1);
    const { id, atMs } = queued;
    // It was stored before the broker numbered it; whatever the broker sends is found again by its number.
    const isNumbered = queued.packet.cmd === 'pubrel' || queued.packet.brokerId !== undefined;
    const packet = isNumbered ? queued.packet : { ...queued.packet, brokerId: 'stored', brokerCounter: id };
    this.#add(clientId, { id, atMs, packet, bytes: packetBytes(packet), held: false });
  }

  /** Queues a message, dropping the oldest unsent ones to make room. Null when it does not fit: dropped and counted. */
  add(clientId: string, packet: StoredPacket, atMs: number, held: boolean): QueuedPacket | null {
    const bytes = packetBytes(packet);
    if (!this.#makeRoom(clientId, bytes)) {
      this.#drops.queued += 1;
      return null;
    }
    const entry: Entry = { id: this.#nextId, atMs, bytes, packet: queuedCopy(packet), held };
    this.#nextId += 1;
    this.#add(clientId, entry);
    return entry;
  }

  /** The broker has it now, under this number. */
  release(clientId: string, id: number, packet: StoredPacket): void {
    const entry = this.#byClient.get(clientId)?.entries.get(id);
    if (entry === undefined) return;
    entry.held = false;
    entry.packet = queuedCopy(packet);
  }

  /** Lists the messages that may be sent, as they are now. */
  list(clientId: string): StoredPacket[] {
    const entries = this.#byClient.get(clientId)?.entries.values() ?? [];
    return [...entries].filter(({ held }) => !held).map(({ packet }) => ({ ...packet }));
  }

  countOf(clientId: string): number {
    return this.#byClient.get(clientId)?.entries.size ?? 0;
  }

  /**
   * Notes under which message id it is sent, or that only its release is left. Null: it is not here. `wasSent`: it went
   * out before, so it may be there already.
   */
  update(
    clientId: string,
    packet: StoredPacket,
  ): { readonly queued: QueuedPacket; readonly wasSent: boolean } | null {
    for (const entry of this.#byClient.get(clientId)?.entries.values() ?? []) {
      const isSame =
        packet.brokerId !== undefined &&
        entry.packet.brokerId === packet.brokerId &&
        entry.packet.brokerCounter === packet.brokerCounter;
      if (isSame) {
        const wasSent = entry.packet.messageId !== undefined;
        entry.packet = { ...entry.packet, messageId: packet.messageId };
        return { queued: entry, wasSent };
      }
      const isRelease = packet.cmd === 'pubrel' && entry.packet.messageId === packet.messageId;
      if (isRelease) {
        entry.packet = { cmd: 'pubrel', messageId: packet.messageId };
        return { queued: entry, wasSent: false };
      }
    }
    return null;
  }

  /** Removes a delivered message. Undefined: none waits under this message id. */
  settle(clientId: string, messageId: number | undefined): StoredPacket | undefined {
    if (messageId === undefined) return undefined;
    for (const entry of this.#byClient.get(clientId)?.entries.values() ?? [])
      if (entry.packet.messageId === messageId) {
        this.remove(clientId, entry.id);
        return entry.packet;
      }
    return undefined;
  }

  remove(clientId: string, id: number): void {
    const queue = this.#byClient.get(clientId);
    const entry = queue?.entries.get(id);
    if (queue === undefined || entry === undefined) return;
    queue.entries.delete(id);
    queue.bytes -= entry.bytes;
    this.#bytes -= entry.bytes;
    this.#count -= 1;
    if (queue.entries.size === 0) this.#byClient.delete(clientId);
    this.#writes.later({ kind: 'outgoing', clientId, id, queued: null });
  }

  removeAll(clientId: string): void {
    for (const id of this.#byClient.get(clientId)?.entries.keys() ?? []) this.remove(clientId, id);
  }

  /** Drops what waited too long. */
  expire(nowMs: number): void {
    for (const [clientId, queue] of this.#byClient)
      for (const entry of queue.entries.values()) {
        if (nowMs - entry.atMs <= this.#limits.queuedMs) break;
        this.remove(clientId, entry.id);
        this.#drops.expired += 1;
      }
  }

  clientIds(): string[] {
    return [...this.#byClient.keys()];
  }

  #add(clientId: string, entry: Entry): void {
    const queue = this.#byClient.get(clientId) ?? { entries: new Map<number, Entry>(), bytes: 0 };
    this.#byClient.set(clientId, queue);
    queue.entries.set(entry.id, entry);
    queue.bytes += entry.bytes;
    this.#bytes += entry.bytes;
    this.#count += 1;
  }

  #makeRoom(clientId: string, bytes: number): boolean {
    const { queuedPerClient, queuedBytesPerClient, queuedBytes } = this.#limits;
    if (bytes > queuedBytesPerClient) return false;
    const isFull = (queue: Queue): boolean =>
      queue.entries.size >= queuedPerClient ||
      queue.bytes + bytes > queuedBytesPerClient ||
      this.#bytes + bytes > queuedBytes;
    for (;;) {
      const queue = this.#byClient.get(clientId);
      if (queue === undefined) return this.#bytes + bytes <= queuedBytes;
      if (!isFull(queue)) return true;
      const oldest = oldestUnsent(queue);
      if (oldest === undefined) return false;
      this.remove(clientId, oldest.id);
      this.#drops.queued += 1;
    }
  }
}

function oldestUnsent(queue: Queue): Entry | undefined {
  for (const entry of queue.entries.values())
    if (!entry.held && entry.packet.cmd === 'publish' && entry.packet.messageId === undefined) return entry;
  return undefined;
}
