import { deviceRoot, filterMatches } from '#hub/domains/devices/topic-rules.ts';
import type { SessionDrops, SessionLimits } from './session-limits.ts';
import { usernameOf } from './sessions.ts';
import { type PendingWrite, packetBytes, type StoredPacket } from './stored-packet.ts';

type RetainedLimits = Pick<
  SessionLimits,
  'retainedMessages' | 'retainedBytes' | 'retainedMessagesPerDevice' | 'retainedBytesPerDevice'
>;

interface Share {
  /** Topics, the one that was set longest ago first. */
  readonly topics: Map<string, number>;
  bytes: number;
}

/** The device that said it last, or whose topic it is; empty: nobody knows. */
function ownerOf({ clientId, topic = '' }: StoredPacket): string {
  if (clientId !== undefined) return usernameOf(clientId);
  const [root, username = ''] = topic.split('/');
  return root === deviceRoot ? username : '';
}

/**
 * The last retained message of each topic, in memory. Each change says what has to be written. A device has a share:
 * beyond it its own oldest message goes, and where all is full, the oldest of the device that has most.
 */
export class RetainedMessages {
  readonly #limits: RetainedLimits;
  readonly #drops: Pick<SessionDrops, 'retained'>;
  readonly #byTopic = new Map<string, StoredPacket>();
  readonly #shares = new Map<string, Share>();
  readonly #droppedOf = new Map<string, number>();
  #bytes = 0;

  constructor(limits: RetainedLimits, drops: Pick<SessionDrops, 'retained'>) {
    this.#limits = limits;
    this.#drops = drops;
  }

  get count(): number {
    return this.#byTopic.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Messages that gave way since the start, by the device that had sent them. */
  get droppedOf(): ReadonlyMap<string, number> {
    return this.#droppedOf;
  }

  /** Takes over what the disk has. */
  load(packet: StoredPacket): void {
    if (packet.topic !== undefined) this.#add(packet.topic, packet);
  }

  /** The writes that it needs, the message's own last. An empty payload takes the topic's message away. */
  set(packet: StoredPacket): PendingWrite[] {
    const { topic, payload } = packet;
    if (topic === undefined) return [];
    const wasThere = this.#remove(topic);
    if (payload === undefined || payload.length === 0)
      return wasThere ? [{ kind: 'retained', topic, packet: null }] : [];
    const gone = this.#makeRoom(ownerOf(packet), packetBytes(packet));
    this.#add(topic, packet);
    return [...gone, { kind: 'retained', topic, packet }];
  }

  match(filters: readonly string[]): StoredPacket[] {
    return [...this.#byTopic]
      .filter(([topic]) => filters.some((filter) => filterMatches(filter, topic)))
      .map(([, packet]) => packet);
  }

  /** Takes away what fits; the writes that it needs. */
  removeMatching(filter: string): PendingWrite[] {
    return this.match([filter]).flatMap(({ topic }) => (topic === undefined ? [] : this.set({ topic })));
  }

  #makeRoom(owner: string, bytes: number): PendingWrite[] {
    const limits = this.#limits;
    const gone: PendingWrite[] = [];
    const isOwnFull = (): boolean => {
      const share = this.#shares.get(owner);
      return (
        owner !== '' &&
        share !== undefined &&
        (share.topics.size >= limits.retainedMessagesPerDevice ||
          share.bytes + bytes > limits.retainedBytesPerDevice)
      );
    };
    const isFull = (): boolean =>
      this.#byTopic.size >= limits.retainedMessages || this.#bytes + bytes > limits.retainedBytes;
    while (isOwnFull()) gone.push(this.#dropOldestOf(owner));
    while (this.#byTopic.size > 0 && isFull()) gone.push(this.#dropOldestOf(this.#largest()));
    return gone;
  }

  #largest(): string {
    const [first] = [...this.#shares].toSorted(([, left], [, right]) => right.bytes - left.bytes);
    return first?.[0] ?? '';
  }

  #dropOldestOf(owner: string): PendingWrite {
    const [topic = ''] = this.#shares.get(owner)?.topics.keys() ?? [];
    this.#remove(topic);
    this.#drops.retained += 1;
    this.#droppedOf.set(owner, (this.#droppedOf.get(owner) ?? 0) + 1);
    return { kind: 'retained', topic, packet: null };
  }

  #add(topic: string, packet: StoredPacket): void {
    const owner = ownerOf(packet);
    const bytes = packetBytes(packet);
    const share = this.#shares.get(owner) ?? { topics: new Map<string, number>(), bytes: 0 };
    this.#shares.set(owner, share);
    share.topics.set(topic, bytes);
    share.bytes += bytes;
    this.#byTopic.set(topic, packet);
    this.#bytes += bytes;
  }

  /** False: it was not there. */
  #remove(topic: string): boolean {
    const packet = this.#byTopic.get(topic);
    if (packet === undefined) return false;
    const owner = ownerOf(packet);
    const share = this.#shares.get(owner);
    const bytes = share?.topics.get(topic) ?? 0;
    this.#byTopic.delete(topic);
    this.#bytes -= bytes;
    if (share === undefined) return true;
    share.topics.delete(topic);
    share.bytes -= bytes;
    if (share.topics.size === 0) this.#shares.delete(owner);
    return true;
  }
}
