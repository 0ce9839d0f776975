import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { Fault, unreachable } from '#hub/kernel/result.ts';
import { createSystemClock, type SystemClock } from '#hub/platform/clock/system-clock.ts';
import { loadConfig } from '#hub/platform/config/config.ts';
import { makePrivateDirectory } from '#hub/platform/files/durable-file.ts';
import { readOrMakeKey } from '#hub/platform/files/keys.ts';
import { lostLinesFindings, lostLinesKeptMs } from '#hub/platform/health/log-health.ts';
import { RecentCount } from '#hub/platform/health/recent-count.ts';
import { createLog, type Logger } from '#hub/platform/log.ts';
import { LogOutput, sharedLostLines } from '#hub/platform/log-output.ts';
import { type BridgeConfig, bridgeConfigSchema } from './config.ts';
import { lineRequests } from './door/line-requests.ts';
import { startSerialReaders } from './door/serial-readers.ts';
import { DoorThread } from './door/thread.ts';
import { sendToPanel } from './gpio/panel-client.ts';
import { openGpioPort } from './gpio/port.ts';
import type { Journal } from './journal/journal.ts';
import { bootNote, keepAcked, openJournal } from './journal/open.ts';
import { type LinkHost, startLink } from './link/host.ts';
import type { ClockReading, JournalNumbers, LinkData, ToDoor } from './link/messages.ts';
import { Throttle } from './link/throttle.ts';
import { type PinChecks, startPinChecks } from './pin/checks.ts';
import { LockoutFile } from './pin/lockout-file.ts';
import { PolicyAge } from './policy/policy.ts';
import { openPolicyStore, type PolicyStore, type StoredPolicy } from './policy/store.ts';
import type { GpioPort, Later, SimulatedTap } from './ports.ts';
import { gpioKindOf, isSerial } from './readers/registry.ts';
import type { SerialReaders } from './serial/host.ts';

export interface BridgeOptions {
  readonly configFile: string;
  /** The root of the state; the bridge keeps its own in the folder `bridge`. */
  readonly stateDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Something that the bridge cannot work without has failed: the process should end and start again. */
  readonly onFatal: (error: Error) => void;
}

export interface RunningBridge {
  readonly log: Logger;
  /** Locks every door, synchronously: for a process that ends over a bug. */
  lockAll(): void;
  /** Locks every door, syncs the journal and ends the Workers. */
  stop(): Promise<void>;
}

const stateEveryMs = 10_000;
const statePauseMs = 100;
const keepEveryMs = 60_000;
const longestTimerMs = 2_147_483_647;

const later: Later = (delayMs, run) => {
  const timer = setTimeout(run, Math.min(Math.max(0, delayMs), longestTimerMs));
  return () => clearTimeout(timer);
};

function releaseName(): string {
  const text = readFileSync(path.join(import.meta.dirname, '../package.json'), 'utf8');
  return z.object({ version: z.string().max(40) }).parse(JSON.parse(text)).version;
}

const connectionOf = (config: BridgeConfig, stateDirectory: string): LinkData['connection'] =>
  config.hub.url === undefined || config.hub.caFile === undefined
    ? { kind: 'socket', path: path.resolve(stateDirectory, config.hub.socket) }
    : { kind: 'tls', url: config.hub.url, caFile: path.resolve(stateDirectory, config.hub.caFile) };

/** Plays cards and keys at readers through the simulator of a state directory. */
function simulatedTap(config: BridgeConfig, simulationDir: string) {
  return async (readerKey: string, tap: SimulatedTap): Promise<void> => {
    const reader = config.portals
      .flatMap((portal) => portal.readers)
      .find((candidate) => candidate.key === readerKey);
    if (reader === undefined || isSerial(reader.wiring))
      throw new Fault('notSimulated', `the reader ${readerKey} hangs on a real serial line`);
    const { wiring } = reader;
    for (const frame of gpioKindOf(wiring).simulate(wiring, tap))
      await sendToPanel(simulationDir, { tap: frame });
  };
}

async function loadPolicy(store: PolicyStore, log: Logger): Promise<StoredPolicy | null> {
  try {
    return await store.load();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.error({ err: error }, 'the stored policy is not usable');
    return null;
  }
}

const numbersOf = ({ firstSeq, lastSeq, syncedSeq }: Journal): JournalNumbers => ({
  firstSeq,
  lastSeq,
  syncedSeq,
});

const readingOf = (clock: SystemClock): ClockReading => ({
  offsetMs: clock.nowMs() - Date.now(),
  trust: clock.trust(),
});

/**
 * Starts a bridge: outputs to their safe level, journal, policy from the disk, doors, and last the link to the hub,
 * without which everything at the doors works.
 * @throws {ConfigProblems} and the Faults of the key, of the journal's directory and of the GPIO port.
 */
export async function startBridge(options: BridgeOptions): Promise<RunningBridge> {
  const config = loadConfig(bridgeConfigSchema, {
    file: options.configFile,
    env: options.env,
    envPrefix: 'MAKRCAVE_BRIDGE_',
  });
  const lostLogLines = sharedLostLines();
  const destination = new LogOutput({ lost: lostLogLines });
  const log = createLog({ level: config.log.level, destination }).child({ process: 'bridge' });
  const directory = path.resolve(options.stateDirectory, 'bridge');
  const simulationDir = path.resolve(options.stateDirectory, 'sim');
  await makePrivateDirectory(directory);
  const gpio = await openGpioPort(config.gpio, lineRequests(config), { simulationDir, log });
  gpio.onFault = options.onFatal;
  try {
    const bridge = new Bridge(
      await openState({ options, config, log, lostLogLines, directory, simulationDir, gpio }),
    );
    await bridge.start();
    return bridge;
  } catch (error) {
    await gpio.close();
    throw error;
  }
}

interface Hardware {
  readonly options: BridgeOptions;
  readonly config: BridgeConfig;
  readonly log: Logger;
  /** Counter of what the logs of all threads lost. */
  readonly lostLogLines: Uint32Array;
  /** The bridge's own state directory. */
  readonly directory: string;
  readonly simulationDir: string;
  readonly gpio: GpioPort;
}

/** Hardware, and what the state directory holds. */
interface OpenedState extends Hardware {
  readonly key: Buffer;
  readonly bootId: string;
  readonly clock: SystemClock;
  readonly journal: Journal;
  readonly journalNews: Throttle;
  readonly policyAge: PolicyAge;
  readonly policy: StoredPolicy | null;
  readonly lockouts: LockoutFile;
}

async function openState(hardware: Hardware): Promise<OpenedState> {
  const { config, directory, log } = hardware;
  const key = await readOrMakeKey(path.join(directory, 'bridge.key'));
  const clock = createSystemClock({
    markFile: path.join(directory, 'clock.json'),
    trustSystem: config.clock.trustSystem,
  });
  if (clock.markFault !== undefined)
    log.warn({ err: clock.markFault }, 'the time of the last run is not known');
  const bootId = randomUUID();
  const journalNews = new Throttle(0);
  const journal = await openJournal({
    directory,
    key,
    bootId,
    maxBytes: config.journal.maxMebibytes * 1024 * 1024,
    clock,
    later,
    onChange: journalNews.mark,
    onFault: (error) => log.error({ err: error }, 'journal fault'),
  });
  const store = openPolicyStore(directory, key);
  const policyAge = new PolicyAge(clock, await store.loadConfirmation());
  const policy = await loadPolicy(store, log);
  const lockouts = await LockoutFile.open(directory, (fault) =>
    log.error({ err: fault }, 'wrong PINs of before are not known'),
  );
  return { ...hardware, key, bootId, clock, journal, journalNews, policyAge, policy, lockouts };
}

/** Connects the doors, their serial readers and the link to the hub. */
class Bridge implements RunningBridge {
  readonly log: Logger;
  readonly #state: OpenedState;
  readonly #release = releaseName();
  readonly #thread: DoorThread;
  readonly #pinChecks: PinChecks;
  readonly #stateNews = new Throttle(statePauseMs);
  #policy: StoredPolicy | null;
  #serial: SerialReaders | null = null;
  #link: LinkHost | null = null;
  #reportedWritable = true;
  readonly #recentlyLost = new RecentCount(lostLinesKeptMs);
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(state: OpenedState) {
    const { log, config, gpio, simulationDir, journal, journalNews } = state;
    this.log = log;
    this.#state = state;
    this.#policy = state.policy;
    journalNews.onDue = () => this.#tellJournal();
    this.#stateNews.onDue = () => this.#tellState();
    this.#pinChecks = startPinChecks(later, (error) => log.error({ err: error }, 'the PIN Worker failed'));
    this.#thread = new DoorThread({
      config,
      clock: state.clock,
      later,
      journal,
      gpio,
      policyAge: state.policyAge,
      reply: (commandId, outcome) => this.#link?.tell({ kind: 'reply', commandId, outcome }),
      onChange: this.#stateNews.mark,
      onFault: (where, error) => this.#onDoorFault(where, error),
      tap: gpio.kind === 'fake' ? simulatedTap(config, simulationDir) : null,
      recentCommandIds: journal.recovery.recentCommandIds,
      serial: {
        signal: (readerKey, signal) => this.#serial?.signal(readerKey, signal),
        pair: (readerKey, forMs) => this.#serial?.pair(readerKey, forMs),
        cancelPairing: (readerKey) => this.#serial?.cancelPairing(readerKey),
        switchOutput: (readerKey, output, forMs) => this.#serial?.switchOutput(readerKey, output, forMs),
      },
      pinChecks: this.#pinChecks,
      lockouts: state.lockouts,
    });
  }

  async start(): Promise<void> {
    const { log, config, directory, key, gpio, bootId, clock, journal } = this.#state;
    // Before the doors show their state, so that lamps on serial lines show it too.
    this.#serial = await startSerialReaders({ config, directory, key, log, later, thread: this.#thread });
    this.#thread.append({ kind: 'boot', note: bootNote(journal, this.#release) });
    if (this.#policy !== null) this.#thread.swapPolicy(this.#policy, false);
    this.#thread.start();
    log.info(
      {
        bootId,
        journal: numbersOf(journal),
        policy: this.#policy?.version ?? null,
        gpio: gpio.kind,
        clockTrust: clock.trust(),
      },
      'doors are served',
    );
    this.#link = startLink({
      log,
      onMessage: (message) => this.#onMessage(message),
      data: () => this.#linkData(),
    });
    this.#timers = [
      setInterval(() => {
        this.#judgeLog();
        this.#stateNews.mark();
      }, stateEveryMs),
      setInterval(() => void this.#keep(), keepEveryMs),
    ];
    this.#stateNews.mark();
  }

  lockAll(): void {
    this.#thread.stop();
  }

  async stop(): Promise<void> {
    const { log, gpio, journal, journalNews, clock } = this.#state;
    for (const timer of this.#timers) clearInterval(timer);
    this.#thread.stop();
    this.#stateNews.stop();
    journalNews.stop();
    await this.#pinChecks.stop();
    await this.#serial?.stop();
    await this.#link?.stop();
    await gpio.close();
    await journal.close();
    await this.#keep();
    clock.close();
    log.info({}, 'stopped; every door is locked');
  }

  #onDoorFault(where: string, error: unknown): void {
    const { log, options } = this.#state;
    log.error({ err: error, where }, 'fault at the doors');
    if (where === 'gpio') options.onFatal(error instanceof Error ? error : new Error(String(error)));
  }

  #tellJournal(): void {
    const { journal } = this.#state;
    // Before the link there is nobody to tell.
    if (this.#link === null) return;
    this.#link.tell({ kind: 'journal', journal: numbersOf(journal) });
    if (journal.writable === this.#reportedWritable) return;
    this.#reportedWritable = journal.writable;
    this.#stateNews.mark();
  }

  #tellState(): void {
    const { bootId, clock } = this.#state;
    const reading = readingOf(clock);
    this.#link?.tell({ kind: 'state', state: this.#thread.report(bootId), clock: reading });
  }

  #judgeLog(): void {
    const { lostLogLines, clock } = this.#state;
    const lines = this.#recentlyLost.update(Atomics.load(lostLogLines, 0), clock.monotonicMs());
    for (const finding of lostLinesFindings(lines)) this.#thread.raiseFinding(finding);
    if (lines === 0) this.#thread.clearFinding('log.linesLost');
  }

  #linkData(): LinkData {
    const { options, config, directory, key, bootId, gpio, clock, journal, lostLogLines } = this.#state;
    return {
      stateDirectory: directory,
      connection: connectionOf(config, options.stateDirectory),
      bridgeKey: key,
      journalId: journal.journalId,
      journal: numbersOf(journal),
      policy: this.#policy,
      hello: {
        protocol: 1,
        bootId,
        release: this.#release,
        portals: config.portals.map(({ key: portalKey, name, readers }) => ({
          key: portalKey,
          name,
          readers: readers.map((reader) => reader.key),
        })),
        simulated: gpio.kind === 'fake',
      },
      clock: readingOf(clock),
      logLevel: config.log.level,
      lostLogLines,
    };
  }

  #onMessage(message: ToDoor): void {
    const { log, journal, policyAge } = this.#state;
    const thread = this.#thread;
    switch (message.kind) {
      case 'policy': {
        const isNew = message.policy.version.hash !== this.#policy?.version.hash;
        this.#policy = { ...message.policy, removedIds: message.removedIds };
        thread.swapPolicy(this.#policy, isNew);
        this.#link?.tell({ kind: 'swapped', swap: message.swap });
        return;
      }
      case 'confirmed':
        policyAge.confirm();
        thread.clearFinding('policy.refused');
        return;
      case 'hubTime':
        this.#adoptHubTime(message);
        return;
      case 'acked':
        journal.acknowledge(message.seq);
        return;
      case 'hubAhead':
        log.error({ heldByHub: message.seq, lastSeq: journal.lastSeq }, 'the journal lost its end');
        journal.continueAfter(message.seq);
        return;
      case 'command':
        thread.command(message.command, message.expiresInMs);
        return;
      case 'hubGone':
        thread.raiseFinding({
          id: 'hub.gone',
          severity: 'warning',
          evidence: `No connection to the hub: ${message.reason}`.slice(0, 500),
          fix: 'Check that the hub runs. The doors go on with what they know.',
        });
        return;
      case 'policyRefused':
        thread.raiseFinding({
          id: 'policy.refused',
          severity: 'warning',
          evidence: `The policy that the hub sent was not used: ${message.code}.`,
          fix: 'The bridge asks again by itself; if this stays, look at its free disk space and its log.',
        });
        return;
      default:
        unreachable(message);
    }
  }

  #adoptHubTime({ wallMs, trust }: ToDoor & { readonly kind: 'hubTime' }): void {
    const { clock } = this.#state;
    const trustBefore = clock.trust();
    clock.adoptHubTime(wallMs, trust);
    this.#thread.onClockSet();
    // A kill in the next moment must not lose the trust just earned.
    if (clock.trust() !== trustBefore) void this.#keep();
    this.#thread.clearFinding('hub.gone');
  }

  /** Keeps acknowledgement and clock for the next start. */
  async #keep(): Promise<void> {
    const { log, directory, journal, clock } = this.#state;
    try {
      await keepAcked(directory, journal);
      await clock.saveMark();
    } catch (error) {
      log.warn({ err: error }, 'clock and acknowledgements were not kept');
    }
  }
}
