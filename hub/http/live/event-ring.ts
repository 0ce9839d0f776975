import type { PermissionName } from '#hub/kernel/vocabulary.ts';

/** An event in the ring. `frame` is its text on the wire. */
export interface LiveEvent {
  readonly seq: number;
  readonly topic: string;
  readonly permission: PermissionName;
  readonly frame: string;
}

/** Resume point of a connection: after `seq`, or from now with a `reset` because something was missed. */
export type Resumption =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'after'; readonly seq: number }
  | { readonly kind: 'reset'; readonly reason: 'tooOld' | 'otherBoot' | 'malformed' };

/**
 * Decides where a connection with this `Last-Event-ID` goes on. Ids are `<bootId>-<seq>`; the ring holds the events
 * `oldestSeq .. newestSeq` of boot `bootId` (empty: `oldestSeq` = `newestSeq` + 1).
 */
export function decideResumption(
  lastEventId: string | undefined,
  ring: { readonly bootId: string; readonly oldestSeq: number; readonly newestSeq: number },
): Resumption {
  if (lastEventId === undefined || lastEventId === '') return { kind: 'fresh' };
  const match = /^([\w-]{1,64})-(\d{1,15})$/.exec(lastEventId);
  if (match === null) return { kind: 'reset', reason: 'malformed' };
  const [, bootId, digits] = match;
  const seq = Number(digits);
  if (bootId !== ring.bootId || seq > ring.newestSeq) return { kind: 'reset', reason: 'otherBoot' };
  return seq >= ring.oldestSeq - 1 ? { kind: 'after', seq } : { kind: 'reset', reason: 'tooOld' };
}

/** The last `maxEvents` events, in order. */
export class EventRing {
  readonly #events: LiveEvent[] = [];
  readonly #maxEvents: number;
  readonly bootId: string;
  newestSeq = 0;

  constructor(bootId: string, maxEvents: number) {
    this.bootId = bootId;
    this.#maxEvents = maxEvents;
  }

  get oldestSeq(): number {
    return this.#events[0]?.seq ?? this.newestSeq + 1;
  }
  get lastEventId(): string {
    return `${this.bootId}-${this.newestSeq}`;
  }

  add(topic: string, permission: PermissionName, data: unknown): LiveEvent {
    this.newestSeq += 1;
    const frame = `id: ${this.lastEventId}\nevent: ${topic}\ndata: ${JSON.stringify(data)}\n\n`;
    const event = { seq: this.newestSeq, topic, permission, frame };
    this.#events.push(event);
    if (this.#events.length > this.#maxEvents) this.#events.shift();
    return event;
  }

  /** Returns the event after `seq`; undefined when there is none yet, or it was dropped (`seq` + 1 < `oldestSeq`). */
  next(seq: number): LiveEvent | undefined {
    return this.#events[seq + 1 - this.oldestSeq];
  }
}
