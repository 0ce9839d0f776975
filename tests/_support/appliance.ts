import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { sendToPanel } from '#bridge/gpio/panel-client.ts';
import type { PanelCommand } from '#bridge/gpio/panel-schema.ts';
import { type ControlAnswer, callControlSocket } from '#hub/cli/control-socket.ts';
import { type ControlStream, openControlStream, type StreamedEvent } from '#hub/cli/control-stream.ts';
import { type Reaper, startReaper } from './reaper.ts';

const root = path.resolve(import.meta.dirname, '../..');

export type Part = 'hub' | 'bridge' | 'simulator';

const entryPoints: Record<Part, string> = {
  hub: 'hub/main.ts',
  simulator: 'firmware-bridge/gpio/simulator.ts',
  bridge: 'firmware-bridge/main.ts',
};
/** What each part prints when it serves. */
const readyLines: Record<Part, string> = {
  hub: '"listening"',
  simulator: 'simulator ready',
  bridge: '"doors are served"',
};

/** Whatever takes longer than this to serve or to end never will. */
const longestMs = 60_000;

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

export interface ApplianceOptions {
  readonly stateDir?: string;
  readonly bridgeConfig?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The whole product as its start script runs it: hub, simulator and bridge as processes of their own, on a temporary
 * state directory and free ports. Waits for what the processes say, never for time to pass.
 */
export class Appliance {
  readonly stateDir: string;
  readonly #options: ApplianceOptions;
  readonly #running = new Map<Part, Running>();
  readonly #reaper: Reaper;
  /** The last lines of each part, for messages. */
  readonly output: Record<Part, string[]> = { hub: [], bridge: [], simulator: [] };
  httpPort = 0;
  httpsPort = 0;
  mqttPort = 0;

  private constructor(stateDir: string, options: ApplianceOptions) {
    this.stateDir = stateDir;
    this.#options = options;
    this.#reaper = startReaper(options.stateDir === undefined ? stateDir : null);
  }

  static async create(options: ApplianceOptions = {}): Promise<Appliance> {
    const stateDir = options.stateDir ?? (await mkdtemp(path.join(tmpdir(), 'mc-')));
    return new Appliance(stateDir, options);
  }

  /** All three parts, with the bridge connected and the first policy applied. */
  static async start(options: ApplianceOptions = {}): Promise<Appliance> {
    const appliance = await Appliance.create(options);
    try {
      await appliance.start('hub');
      await appliance.start('simulator');
      await appliance.start('bridge');
      await appliance.untilApplied();
    } catch (error) {
      await appliance.close();
      throw error;
    }
    return appliance;
  }

  get controlSocket(): string {
    return path.join(this.stateDir, 'hub/hub.sock');
  }

  get simulationDir(): string {
    return path.join(this.stateDir, 'sim');
  }

  get url(): string {
    return `http://localhost:${this.httpPort}`;
  }

  pid(part: Part): number {
    return this.#running.get(part)?.child.pid ?? -1;
  }

  #arguments(part: Part): string[] {
    if (part === 'simulator') return ['--state', this.simulationDir];
    if (part === 'bridge') {
      const config = this.#options.bridgeConfig ?? path.join(root, 'config/bridge.example.yaml');
      return ['--config', config, '--state', this.stateDir];
    }
    return [];
  }

  /**
   * Starts a part and waits until it serves; rejects with its last lines when it ends instead.
   * @param under a command that runs the part, with its own arguments, such as a tracer
   */
  async start(part: Part, under: readonly string[] = []): Promise<void> {
    const own = [process.execPath, path.join(root, entryPoints[part]), ...this.#arguments(part)];
    const [command = process.execPath, ...args] = [...under, ...own];
    const child = spawn(command, args, {
      cwd: root,
      env: {
        ...process.env,
        MAKRCAVE_STATE_DIR: this.stateDir,
        MAKRCAVE_HTTP_PORT: String(this.httpPort),
        MAKRCAVE_HTTP_HTTPS_PORT: String(this.httpsPort),
        MAKRCAVE_MQTT_TLS_PORT: String(this.mqttPort),
        MAKRCAVE_CLOCK_TRUST_SYSTEM: 'true',
        NODE_COMPILE_CACHE: path.join(tmpdir(), 'makrcave-compile-cache'),
        ...this.#options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#reaper.note(part, child.pid ?? null);
    const lines = this.output[part];
    lines.length = 0;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const onLine = (line: string): void => {
      lines.push(line);
      if (lines.length > 200) lines.shift();
      if (part === 'hub' && line.includes('"httpPort"')) this.#takePorts(line);
      if (part === 'hub' && line.includes('MQTT for devices is open'))
        this.mqttPort = (JSON.parse(line) as { port: number }).port;
      if (line.includes(readyLines[part])) resolve();
    };
    if (child.stdout) createInterface(child.stdout).on('line', onLine);
    if (child.stderr) createInterface(child.stderr).on('line', onLine);
    const ended = new Promise<number | null>((done) => child.once('close', done));
    const running = { child, ended };
    this.#running.set(part, running);
    void ended.then((code) => {
      reject(new Error(`the ${part} ended (${code}):\n${lines.slice(-10).join('\n')}`));
      if (this.#running.get(part) === running || !this.#running.has(part)) this.#reaper.note(part, null);
    });
    await this.#within(part, child, 'to serve', ready);
  }

  /** Kills a part that takes too long, and rejects with its last lines. */
  async #within<T>(part: Part, child: ChildProcess, what: string, done: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      const lines = this.output[part].slice(-20).join('\n');
      reject(new Error(`the ${part} took more than ${longestMs} ms ${what}; its last lines:\n${lines}`));
    }, longestMs);
    try {
      return await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #takePorts(line: string): void {
    const parsed = JSON.parse(line) as { httpPort?: number; httpsPort?: number };
    this.httpPort = parsed.httpPort ?? this.httpPort;
    this.httpsPort = parsed.httpsPort ?? this.httpsPort;
  }

  /** Stops a part in order, or with `SIGKILL` as a pulled plug would; waits for its end and gives its exit code. */
  async stop(part: Part, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const running = this.#running.get(part);
    if (running === undefined) return null;
    this.#running.delete(part);
    running.child.kill(signal);
    return await this.#within(part, running.child, `to end after ${signal}`, running.ended);
  }

  /** Stops everything and removes the state. */
  async close(): Promise<void> {
    for (const part of ['bridge', 'simulator', 'hub'] as const) await this.stop(part);
    this.#reaper.close();
    await rm(this.stateDir, { recursive: true, force: true });
  }

  /** As the command line on the box does. */
  console(method: string, address: string, body?: unknown): Promise<ControlAnswer> {
    return callControlSocket(this.controlSocket, method, address, body);
  }

  /** The same, and the answer's JSON; throws when the hub refuses. */
  async ask(method: string, address: string, body?: unknown): Promise<ControlAnswer['json']> {
    const answer = await this.console(method, address, body);
    if (answer.status >= 400)
      throw new Error(`${method} ${address}: ${answer.status} ${JSON.stringify(answer.json)}`);
    return answer.json;
  }

  listen(): Promise<ControlStream> {
    return openControlStream(this.controlSocket);
  }

  /** Waits until the bridge says that it holds the policy that the hub wants it to hold. */
  async untilApplied(): Promise<void> {
    const stream = await this.listen();
    const seen = new Set<StreamedEvent>();
    try {
      for (;;) {
        const { items } = await this.ask('GET', '/api/access-control/bridges');
        if ((items as { policy: { state: string } }[]).every(({ policy }) => policy.state === 'applied'))
          return;
        seen.add(await stream.next((event) => event.topic === 'bridge.changed' && !seen.has(event), 15_000));
      }
    } finally {
      stream.close();
    }
  }

  /** Moves simulated lines. */
  panel(command: PanelCommand): Promise<bigint | null> {
    return sendToPanel(this.simulationDir, command);
  }

  /** Taps at the front door and waits until the hub reports the decision. */
  async tap(card: string): Promise<StreamedEvent['data']> {
    const stream = await this.listen();
    try {
      await this.ask('POST', '/api/access-control/simulated-taps', { portalKey: 'front', card });
      const { data } = await stream.next(isDecision, 10_000);
      return data;
    } finally {
      stream.close();
    }
  }

  /** Claims the hub and makes a member with the given card, who may open every door at any time. */
  async furnish(card = '123:4567'): Promise<{ memberId: string; credentialId: string; password: string }> {
    const password = 'seven rivers hum below Olten';
    const { code } = await this.ask('POST', '/api/system/claim-code', {});
    await this.ask('POST', '/api/system/claim', {
      code,
      siteName: 'Test space',
      timeZone: 'Europe/Berlin',
      displayName: 'Olga Owner',
      username: 'olga',
      password,
      starterRules: true,
    });
    const plans = await this.ask('GET', '/api/members/plans');
    const plan = (plans.items as { id: string }[])[0];
    const member = await this.ask('POST', '/api/members', { name: 'Mia Maker' });
    await this.ask('POST', `/api/members/${member.id as string}/memberships`, { planId: plan?.id });
    const credential = await this.ask('POST', '/api/access-control/credentials', {
      memberId: member.id,
      card,
    });
    if (this.#running.has('bridge')) await this.untilApplied();
    return { memberId: member.id as string, credentialId: credential.id as string, password };
  }
}

export const isDecision = ({ topic, data }: StreamedEvent): boolean =>
  topic === 'access.event' && (data.kind === 'granted' || data.kind === 'denied');
