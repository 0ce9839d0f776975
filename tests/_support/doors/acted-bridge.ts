import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { MqttClient } from 'mqtt';
import {
  type BridgeCommand,
  bridgeTopic,
  type ReaderState,
} from '#hub/domains/access/controllers/link-schema.ts';
import type { Appliance } from '../appliance.ts';

interface ActedPortal {
  readonly key: string;
  readonly name: string;
  readonly readers: readonly string[];
}

/** Says whatever a bridge could say, over the hub's own broker: readers of kinds that the test's machine does not have. */
export class ActedBridge {
  readonly bridgeId: string;
  readonly commands: BridgeCommand[] = [];
  /** What it answers a command with; may change `readers` on the way. */
  answer: (command: BridgeCommand) => object = () => ({ kind: 'done' });
  readers: readonly ReaderState[] = [];
  findings: readonly object[] = [];
  readonly #client: MqttClient;
  readonly #portals: readonly ActedPortal[];
  readonly #bootId = crypto.randomUUID();
  readonly #journalId = crypto.randomUUID();
  #seq = 0;

  private constructor(client: MqttClient, bridgeId: string, portals: readonly ActedPortal[]) {
    this.#client = client;
    this.bridgeId = bridgeId;
    this.#portals = portals;
  }

  /** Takes the place of the bridge on this machine, of which no process may run. */
  static async connect(appliance: Appliance, portals: readonly ActedPortal[]): Promise<ActedBridge> {
    const device = JSON.parse(readFileSync(path.join(appliance.stateDir, 'bridge/device.json'), 'utf8')) as {
      bridgeId: string;
      token: string;
    };
    const { bridgeId, token } = device;
    const client = new MqttClient(() => connect(path.join(appliance.stateDir, 'hub/mqtt.sock')), {
      clientId: bridgeId,
      username: bridgeId,
      password: token,
      reconnectPeriod: 0,
    });
    await new Promise<void>((resolve) => client.once('connect', () => resolve()));
    const bridge = new ActedBridge(client, bridgeId, portals);
    await client.subscribeAsync(bridgeTopic(bridgeId, 'command'));
    const welcomed = new Promise<void>((resolve) => client.once('message', () => resolve()));
    await client.subscribeAsync(bridgeTopic(bridgeId, 'welcome'));
    bridge.#sayHello();
    await welcomed;
    client.on('message', (topic, payload) => {
      if (topic === bridgeTopic(bridgeId, 'command'))
        bridge.#take(JSON.parse(payload.toString()) as BridgeCommand);
    });
    return bridge;
  }

  #say(name: 'hello' | 'state' | 'reply' | 'events', payload: object): void {
    this.#client.publish(bridgeTopic(this.bridgeId, name), JSON.stringify(payload));
  }

  #sayHello(): void {
    this.#say('hello', {
      protocol: 1,
      bootId: this.#bootId,
      journalId: this.#journalId,
      release: '0.1.0',
      policy: null,
      journal: { firstSeq: 1, lastSeq: 0, ackedSeq: 0 },
      portals: this.#portals,
      simulated: false,
      wallMs: Date.now(),
      clockTrust: 'ntp',
    });
  }

  #take(command: BridgeCommand): void {
    this.commands.push(command);
    this.#say('reply', { commandId: command.commandId, outcome: this.answer(command) });
    this.sayState();
  }

  /** Changes a reader and says so. */
  change(key: string, change: Partial<ReaderState>): void {
    this.readers = this.readers.map((reader) => (reader.key === key ? { ...reader, ...change } : reader));
    this.sayState();
  }

  sayState(): void {
    this.#say('state', {
      bootId: this.#bootId,
      wallMs: Date.now(),
      clockTrust: 'ntp',
      policy: null,
      withheldCredentialIds: [],
      journal: { lastSeq: this.#seq, syncedSeq: this.#seq, ackedSeq: this.#seq, writable: true },
      portals: this.#portals.map(({ key }) => ({
        key,
        state: 'secure',
        mode: 'controlled',
        contactOpen: false,
        strikeReleased: false,
        sinceMs: Date.now(),
      })),
      readers: this.readers,
      findings: this.findings,
    });
  }

  /** Something happened at a reader. */
  sayEvent(kind: string, portalKey: string, readerKey: string): void {
    this.#seq += 1;
    this.#say('events', {
      journalId: this.#journalId,
      events: [
        {
          seq: this.#seq,
          bootId: this.#bootId,
          kind,
          wallMs: Date.now(),
          clockTrust: 'ntp',
          monotonicMs: 1000,
          portalKey,
          readerKey,
        },
      ],
    });
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
