import { filterMatches } from '#hub/domains/devices/topic-rules.ts';
import type { SessionDrops, SessionLimits } from './session-limits.ts';
import { type PendingWrite, packetBytes, type StoredPacket } from './stored-packet.ts';

/** The last retained message of each topic, in memory. Each change says what has to be written. */
export class RetainedMessages {
  readonly #limits: Pick<SessionLimits, 'retainedMessages' | 'retainedBytes'>;
  readonly #drops: Pick<SessionDrops, 'retained'>;
  readonly #byTopic = new Map<string, StoredPacket>();
  #bytes = 0;

  constructor(
    limits: Pick<SessionLimits, 'retainedMessages' | 'retainedBytes'>,
    drops: Pick<SessionDrops, 'retained'>,
  ) {
    this.#limits = limits;
    this.#drops = drops;
  }

  get count(): number {
    return this.#byTopic.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** The write that it needs; null when there is none, or when it does not fit. An empty payload takes it away. */
  set(packet: StoredPacket): PendingWrite | null {
    const { topic, payload } = packet;
    if (topic === undefined) return null;
    const known = this.#byTopic.get(topic);
    if (payload === undefined || payload.length === 0) {
      if (known === undefined) return null;
      this.#byTopic.delete(topic);
      this.#bytes -= packetBytes(known);
      return { kind: 'retained', topic, packet: null };
    }
    const grows = packetBytes(packet) - (known === undefined ? 0 : packetBytes(known));
    const fits = known !== undefined || this.#byTopic.size < this.#limits.retainedMessages;
    if (!fits || (grows > 0 && this.#bytes + grows > this.#limits.retainedBytes)) {
      this.#drops.retained += 1;
      return null;
    }
    this.#byTopic.set(topic, packet);
    this.#bytes += grows;
    return { kind: 'retained', topic, packet };
  }

  match(filters: readonly string[]): StoredPacket[] {
    return [...this.#byTopic]
      .filter(([topic]) => filters.some((filter) => filterMatches(filter, topic)))
      .map(([, packet]) => packet);
  }

  /** Takes away what fits; the writes that it needs. */
  removeMatching(filter: string): PendingWrite[] {
    return this.match([filter]).flatMap(({ topic }) => {
      const write = topic === undefined ? null : this.set({ topic });
      return write === null ? [] : [write];
    });
  }
}
