import type { SessionPersistence } from './session-persistence.ts';
import type { StoredPacket } from './stored-packet.ts';

interface Turn {
  readonly packet: StoredPacket;
  readonly done: (error?: Error | null) => void;
  /** Null: nothing to store. Resolves to the error of storing it, or to null. */
  readonly stored: Promise<unknown> | null;
}

export interface PublishQueueDeps {
  readonly persistence: Pick<SessionPersistence, 'keep' | 'drop' | 'hasIncoming'>;
  /** Publishes an accepted message whose connection is gone. */
  readonly publish: (packet: StoredPacket) => void;
  readonly onStoreFailed: (cause: unknown) => void;
}

/**
 * Serialises the messages that one connection publishes. The broker acknowledges QoS 1 before it stores it, and
 * tells copies by a counter that must arrive in order: so each message waits here until it is on the disk, and the next
 * until it went through.
 */
export class PublishQueue {
  readonly #deps: PublishQueueDeps;
  readonly #clientId: string;
  readonly #isClean: boolean;
  readonly #waiting: Turn[] = [];
  #current: Turn | null = null;
  #accepted = false;
  #begun = false;
  #closed = false;

  constructor(deps: PublishQueueDeps, client: { readonly id: string; readonly clean: boolean }) {
    this.#deps = deps;
    this.#clientId = client.id;
    this.#isClean = client.clean;
  }

  /** Queues a message. `done` lets the broker acknowledge and publish it; with an error the broker cuts the connection. */
  enter(packet: StoredPacket, done: Turn['done']): void {
    if (this.#isCopy(packet) && this.#current === null) {
      done(null);
      return;
    }
    const stored = this.#deps.persistence.keep(packet, this.#isClean ? null : this.#clientId, this.#clientId);
    const turn = {
      packet,
      done,
      stored:
        stored?.then(
          () => null,
          (cause: unknown) => cause,
        ) ?? null,
    };
    if (this.#current !== null) {
      this.#waiting.push(turn);
      return;
    }
    this.#current = turn;
    this.#begin(turn);
  }

  /** Notes that the broker begins to forward a message, which it then completes even if the connection ends. */
  begun(packet: StoredPacket): void {
    if (this.#isCurrent(packet)) this.#begun = true;
  }

  /** Notes that the broker has forwarded a message. Counts only for the current one, not for the connection's will. */
  passed(packet: StoredPacket): void {
    if (this.#isCurrent(packet)) this.#next();
  }

  #isCurrent(packet: StoredPacket): boolean {
    return this.#current !== null && this.#current.packet.payload === packet.payload;
  }

  #next(): void {
    this.#accepted = false;
    this.#begun = false;
    this.#current = this.#waiting.shift() ?? null;
    const next = this.#current;
    if (next !== null) setImmediate(() => this.#begin(next));
  }

  /**
   * The connection is over. What was accepted is published all the same: its sender may have the acknowledgement. The
   * broker gives it up when the acknowledgement had to wait for the socket; it knows within two turns of the event loop.
   */
  close(): void {
    this.#closed = true;
    for (const { packet } of this.#waiting.splice(0)) this.#deps.persistence.drop(packet);
    const left = this.#current;
    if (left === null || !this.#accepted || left.packet.qos !== 1) return;
    setImmediate(() =>
      setImmediate(() => {
        if (this.#current === left && !this.#begun) this.#deps.publish(left.packet);
      }),
    );
  }

  /** QoS 2: what the broker has already, it answers and does not publish. */
  #isCopy(packet: StoredPacket): boolean {
    return packet.qos === 2 && this.#deps.persistence.hasIncoming(this.#clientId, packet.messageId);
  }

  #begin(turn: Turn): void {
    if (turn.stored === null) this.#end(turn, null);
    else void turn.stored.then((cause) => setImmediate(() => this.#end(turn, cause)));
  }

  #end(turn: Turn, cause: unknown): void {
    if (this.#closed) {
      this.#deps.persistence.drop(turn.packet);
      return;
    }
    if (cause !== null) {
      this.#deps.persistence.drop(turn.packet);
      this.#deps.onStoreFailed(cause);
      turn.done(new Error('could not be stored'));
      return;
    }
    if (this.#isCopy(turn.packet)) {
      this.#deps.persistence.drop(turn.packet);
      turn.done(null);
      this.#next();
      return;
    }
    this.#accepted = true;
    turn.done(null);
  }
}
