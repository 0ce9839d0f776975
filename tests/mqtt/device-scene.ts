import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type IClientOptions, MqttClient } from 'mqtt';
import { devices } from '#hub/domains/devices/domain.ts';
import type { TopicRight } from '#hub/domains/devices/schema.ts';
import type { Devices } from '#hub/domains/devices/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import { createDeviceBroker, type DeviceBroker } from '#hub/mqtt/device-broker.ts';
import { type DeviceLimits, deviceLimits } from '#hub/mqtt/device-limits.ts';
import { listenSecurely, type SecureListener } from '#hub/mqtt/secure-listener.ts';
import { createLog } from '#hub/platform/log.ts';
import { openTls, type Tls } from '#hub/platform/tls/tls.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import { noDevices, openTestDomains } from '#tests/_support/open-domains.ts';

const migrationsDir = path.resolve(import.meta.dirname, '../../migrations/sqlite');

/** The device broker with a real store, real certificates and a real port; its clock is the test's. */
export class DeviceScene {
  readonly folder: string;
  readonly lines: Record<string, unknown>[] = [];
  readonly tokens = new Map<string, string>();
  readonly clients: MqttClient[] = [];
  readonly #limits: Partial<DeviceLimits>;
  readonly #children = new Set<ChildProcess>();
  nowMs = Date.now();
  store!: Store;
  devices!: Devices;
  broker!: DeviceBroker;
  listener!: SecureListener;
  tls!: Tls;

  private constructor(folder: string, limits: Partial<DeviceLimits>) {
    this.folder = folder;
    this.#limits = limits;
  }

  static async open(limits: Partial<DeviceLimits> = {}): Promise<DeviceScene> {
    const scene = new DeviceScene(await mkdtemp(path.join(tmpdir(), 'mc-')), limits);
    await scene.start();
    return scene;
  }

  get port(): number {
    return this.listener.port ?? 0;
  }
  get caFile(): string {
    return path.join(this.folder, 'ca.pem');
  }

  async start(): Promise<void> {
    const clock = {
      nowMs: () => this.nowMs,
      monotonicMs: () => performance.now(),
      trust: () => 'ntp' as const,
    };
    const log = createLog({
      level: 'debug',
      destination: { write: (text: string) => void this.lines.push(JSON.parse(text)) },
    });
    this.store = await openStore({
      path: path.join(this.folder, 'hub.sqlite'),
      key: Buffer.alloc(32, 7),
      keyPlace: 'the test',
      registry: hubTables,
      migrationsDir,
      clock,
      log,
    });
    this.broker = await createDeviceBroker({
      store: this.store,
      clock,
      log,
      limits: { ...deviceLimits, ...this.#limits },
    });
    const { running } = await openTestDomains({
      store: this.store,
      clock,
      ports: { devices: Object.assign(this.broker, { address: () => noDevices.address() }) },
    });
    this.devices = running.of(devices).devices;
    await this.devices.start();
    await this.broker.start();
    this.tls = await openTls({
      directory: path.join(this.folder, 'tls'),
      configuredNames: [],
      clock: { nowMs: () => Date.now() },
      log,
      addresses: () => ['127.0.0.1', '::1'],
    });
    await writeFile(this.caFile, this.tls.authorityPem());
    this.listener = await listenSecurely({
      port: 0,
      certificates: await this.tls.forDevices(),
      log,
      onBridge: (socket) => socket.destroy(),
      onDevice: (socket, address) => this.broker.handle(socket, address),
    });
  }

  async stop(): Promise<void> {
    for (const client of this.clients.splice(0)) client.end(true);
    for (const child of this.#children) child.kill('SIGKILL');
    await this.listener.close();
    await this.broker.close();
    this.tls.close();
    await this.store.close();
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Adds a device and keeps its token. */
  async add(username: string, rights: readonly TopicRight[] = [], dropsRefused = false): Promise<string> {
    const made = await this.devices.create(
      { kind: 'system' },
      { username, name: username, rights: [...rights], dropsRefused },
    );
    if (!made.ok) throw new Error(`not added: ${made.refusal.code}`);
    this.tokens.set(username, made.value.token);
    return made.value.id;
  }

  /** `localAddress`: where this connection comes from. */
  connect(username: string, options: IClientOptions = {}, localAddress = '127.0.0.1'): MqttClient {
    const client = new MqttClient(
      () =>
        connectTls({
          socket: connectTcp({ host: '127.0.0.1', port: this.port, localAddress }),
          servername: 'hub.local',
          ca: this.tls.authorityPem(),
        }),
      {
        clientId: 'one',
        username,
        password: this.tokens.get(username) ?? '',
        reconnectPeriod: 0,
        protocolVersion: 4,
        ...options,
      },
    );
    client.on('error', () => undefined);
    this.clients.push(client);
    return client;
  }

  /** Connected, or the return code with which the hub refused. */
  async connected(
    username: string,
    options: IClientOptions = {},
    localAddress?: string,
  ): Promise<MqttClient> {
    const client = this.connect(username, options, localAddress);
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
    return client;
  }

  /** Starts Debian's `mosquitto_pub` or `mosquitto_sub` as a device. */
  mosquitto(tool: 'mosquitto_pub' | 'mosquitto_sub', username: string, args: readonly string[]): Tool {
    // Line by line: into a pipe it would print only when it ends.
    const child = spawn('stdbuf', [
      '-oL',
      tool,
      '-h',
      '127.0.0.1',
      '-p',
      String(this.port),
      '--cafile',
      this.caFile,
      '-u',
      username,
      '-P',
      this.tokens.get(username) ?? '',
      ...args,
    ]);
    this.#children.add(child);
    return new Tool(child);
  }
}

/** A running command: what it prints, line by line, and how it ended. */
export class Tool {
  readonly lines: string[] = [];
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    let rest = '';
    const take = (chunk: Buffer): void => {
      const pieces = (rest + chunk.toString('utf8')).split('\n');
      rest = pieces.pop() ?? '';
      this.lines.push(...pieces);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }
}

/** What a client got, in order: `topic payload`, with `R` when it was retained. */
export function hear(client: MqttClient): string[] {
  const heard: string[] = [];
  client.on('message', (topic, payload, packet) =>
    heard.push(`${topic} ${payload.toString()}${packet.retain ? ' R' : ''}`),
  );
  return heard;
}
