import type { Client } from 'aedes';
import type { Logger } from 'pino';
import type { BridgeHandler } from '#hub/domains/access/controllers/link.ts';
import { type FromBridge, schemaFromBridge } from '#hub/domains/access/controllers/link-schema.ts';

/** Messages of one bridge that wait to be handled; a bridge that sends more without waiting for answers is cut off. */
const maxWaiting = 256;
/** Bytes that may wait in a bridge's socket. */
export const maxUnsentBytes = 8 * 1_048_576;

type OnMessage = BridgeHandler['onMessage'];
type Payload<N extends FromBridge> = Parameters<OnMessage[N]>[1];
type Parsed<T> =
  | { readonly success: true; readonly data: T }
  | { readonly success: false; readonly error: Error };

/** An authenticated bridge: parses its messages and handles them one after the other. */
export class BridgeConnection {
  readonly bridgeId: string;
  readonly client: Client;
  readonly #log: Logger;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(bridgeId: string, client: Client, log: Logger) {
    this.bridgeId = bridgeId;
    this.client = client;
    this.#log = log;
  }

  /** Sends at QoS 0. False when the bridge does not read what was sent before; it is cut off then. */
  send(name: string, topic: string, payload: unknown): boolean {
    if (this.client.conn.writableLength > maxUnsentBytes) {
      this.#cutOff('it does not read what is sent');
      return false;
    }
    const packet = {
      cmd: 'publish',
      topic,
      payload: JSON.stringify(payload),
      qos: 0,
      dup: false,
      retain: false,
    } as const;
    this.client.publish(packet, (error) => {
      // The connection ended meanwhile; the bridge asks again when it is back.
      if (error !== undefined && error !== null)
        this.#log.debug({ err: error, bridgeId: this.bridgeId, name }, 'not sent');
    });
    return true;
  }

  /** Parses one message and queues it for its handler; anything malformed ends the connection. */
  receive(name: FromBridge, text: string, onMessage: OnMessage): void {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      this.#cutOff(`${name} is not JSON`);
      return;
    }
    switch (name) {
      case 'hello':
        return this.#queue(name, schemaFromBridge.hello.safeParse(json), onMessage.hello);
      case 'events':
        return this.#queue(name, schemaFromBridge.events.safeParse(json), onMessage.events);
      case 'policy-ask':
        return this.#queue(name, schemaFromBridge[name].safeParse(json), onMessage[name]);
      case 'policy-next':
        return this.#queue(name, schemaFromBridge[name].safeParse(json), onMessage[name]);
      case 'policy-applied':
        return this.#queue(name, schemaFromBridge[name].safeParse(json), onMessage[name]);
      case 'reply':
        return this.#queue(name, schemaFromBridge.reply.safeParse(json), onMessage.reply);
      case 'state':
        return this.#queue(name, schemaFromBridge.state.safeParse(json), onMessage.state);
    }
  }

  #queue<N extends FromBridge>(
    name: N,
    parsed: Parsed<Payload<N>>,
    handle: (bridgeId: string, payload: Payload<N>) => Promise<void>,
  ): void {
    if (!parsed.success) {
      this.#cutOff(`${name} does not fit its schema: ${parsed.error.message.slice(0, 300)}`);
      return;
    }
    this.#waiting += 1;
    if (this.#waiting > maxWaiting) {
      this.#cutOff('too many messages waiting');
      return;
    }
    const { bridgeId } = this;
    this.#tail = this.#tail
      .then(() => handle(bridgeId, parsed.data))
      .catch((cause: unknown) => {
        // The bridge gets no acknowledgement and sends it again after the reconnect.
        this.#log.error({ err: cause, bridgeId, name }, 'message of a bridge could not be handled');
        this.client.close();
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  #cutOff(why: string): void {
    this.#log.warn({ bridgeId: this.bridgeId, why }, 'bridge cut off');
    this.client.close();
  }
}
