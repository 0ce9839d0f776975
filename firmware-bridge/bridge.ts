import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { Fault, unreachable } from '#hub/kernel/result.ts';
import { loadConfig } from '#hub/platform/config.ts';
import { makePrivateDirectory } from '#hub/platform/durable-file.ts';
import { readOrMakeKey } from '#hub/platform/keys.ts';
import { createLog, type Logger } from '#hub/platform/log.ts';
import { createSystemClock, type SystemClock } from '#hub/platform/system-clock.ts';
import { type BridgeConfig, bridgeConfigSchema } from './config.ts';
import { lineRequests } from './door/line-requests.ts';
import { DoorThread } from './door/thread.ts';
import { sendToPanel } from './gpio/panel-client.ts';
import { openGpioPort } from './gpio/port.ts';
import { readAcked, writeAcked } from './journal/acked-file.ts';
import { openJournalDisk } from './journal/disk.ts';
import { Journal } from './journal/journal.ts';
import { startLink } from './link/host.ts';
import type { LinkData, ToDoor } from './link/messages.ts';
import { startPinChecks } from './pin/checks.ts';
import { LockoutFile } from './pin/lockout-file.ts';
import { PolicyAge } from './policy/policy.ts';
import { openPolicyStore, type PolicyStore, type StoredPolicy } from './policy/store.ts';
import type { GpioPort, Later, SimulatedTap } from './ports.ts';
import { gpioKindOf, isSerial } from './readers/registry.ts';
import type { SerialReaders } from './serial/host.ts';

export interface BridgeOptions {
  readonly configFile: string;
  /** The root of the state; the bridge's own is the folder `bridge` in it. */
  readonly stateDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Something without which the bridge is of no use has failed: the process should end and start anew. */
  readonly onFatal: (error: Error) => void;
}

export interface RunningBridge {
  readonly log: Logger;
  /** Synchronous: locks every door. For the moment in which the process ends over a bug. */
  lockAll(): void;
  /** Locks every door, brings the journal to the disk and ends the Workers. */
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

/** Has the simulator of this state directory play a card at a reader. */
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

async function openJournal(
  directory: string,
  key: Buffer,
  bootId: string,
  parts: { config: BridgeConfig; clock: SystemClock; log: Logger; onChange: () => void },
): Promise<Journal> {
  const { config, clock, log, onChange } = parts;
  const journal = await Journal.open({
    disk: openJournalDisk(path.join(directory, 'journal')),
    key,
    bootId,
    maxBytes: config.journal.maxMebibytes * 1024 * 1024,
    trustedNowMs: () => {
      const trust = clock.trust();
      return trust === 'none' || trust === 'restored' ? null : clock.nowMs();
    },
    later,
    ackedSeq: readAcked(path.join(directory, 'journal-acked.json')),
    onChange,
    onFault: (error) => log.error({ err: error }, 'journal fault'),
  });
  const { lastWallMs } = journal.recovery;
  // A time that the journal has seen has certainly passed, whatever the clock says after a boot.
  if (lastWallMs !== null && clock.nowMs() < lastWallMs) clock.adoptHubTime(lastWallMs, 'restored');
  return journal;
}

/** What the boot entry says of how the last one ended. */
function bootNote(journal: Journal, release: string): string {
  const { tornBytes, missingEvents, unreadable } = journal.recovery;
  const facts = [`release ${release}`];
  if (tornBytes > 0) facts.push(`a torn last entry of ${String(tornBytes)} bytes was cut off`);
  if (missingEvents > 0) facts.push(`${String(missingEvents)} entries are damaged`);
  if (unreadable.length > 0) facts.push(`${String(unreadable.length)} journal files cannot be read`);
  return facts.join('; ');
}

/** Calls `run` soon after `mark`, at most every `pauseMs`, and never inside the call of `mark`. */
function throttled(pauseMs: number, run: () => void): { mark: () => void; stop: () => void } {
  let timer: NodeJS.Timeout | null = null;
  let lastMs = Number.NEGATIVE_INFINITY;
  let stopped = false;
  return {
    mark() {
      if (timer !== null || stopped) return;
      timer = setTimeout(
        () => {
          timer = null;
          lastMs = performance.now();
          run();
        },
        Math.max(0, lastMs + pauseMs - performance.now()),
      );
    },
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

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
  const log = createLog({ level: config.log.level }).child({ process: 'bridge' });
  const directory = path.resolve(options.stateDirectory, 'bridge');
  const simulationDir = path.resolve(options.stateDirectory, 'sim');
  await makePrivateDirectory(directory);
  const gpio = await openGpioPort(config.gpio, lineRequests(config), { simulationDir, log });
  gpio.onFault = options.onFatal;
  try {
    return await startDoors({ options, config, log, directory, simulationDir, gpio });
  } catch (error) {
    await gpio.close();
    throw error;
  }
}

/** The process of the readers on serial lines; null where there are none. */
async function startSerialReaders(parts: {
  readonly config: BridgeConfig;
  readonly log: Logger;
  readonly directory: string;
  readonly key: Buffer;
  readonly thread: DoorThread;
}): Promise<SerialReaders | null> {
  const { config, log, directory, key, thread } = parts;
  const readers = config.portals
    .flatMap((portal) => portal.readers)
    .flatMap(({ key: readerKey, wiring }) => (isSerial(wiring) ? [{ key: readerKey, wiring }] : []));
  if (readers.length === 0) return null;
  // Most controllers have none, and a box with 1 GiB counts.
  const { ReaderKeyFile } = await import('./serial/reader-key-file.ts');
  const { startSerial } = await import('./serial/host.ts');
  return startSerial({
    readers,
    keys: await ReaderKeyFile.open(directory, key, (fault) =>
      log.error({ err: fault }, 'the keys of the readers are not usable'),
    ),
    later,
    log,
    onRead: (readerKey, read) => thread.takeSerialRead(readerKey, read),
    onKeys: (readerKey, keys) => thread.takeKeys(readerKey, keys),
    onFault: (fault) => thread.takeSerialFault(fault),
    onStates: (states) => thread.takeSerialStates(states),
    onPaired: (readerKey) => thread.noteReaderPaired(readerKey),
    onKeyFault(readerKey, error) {
      log.error({ err: error, readerKey }, 'the new key of a reader could not be written down');
      thread.find({
        id: `reader.key.${readerKey}`,
        severity: 'error',
        evidence: `The new key of the reader "${readerKey}" could not be written down, so it was not given.`,
        fix: "Free space on the bridge's disk, then pair the reader again.",
      });
    },
  });
}

interface DoorParts {
  readonly options: BridgeOptions;
  readonly config: BridgeConfig;
  readonly log: Logger;
  readonly directory: string;
  readonly simulationDir: string;
  readonly gpio: GpioPort;
}

async function startDoors(parts: DoorParts): Promise<RunningBridge> {
  const { options, config, log, directory, simulationDir, gpio } = parts;
  const key = await readOrMakeKey(path.join(directory, 'bridge.key'));
  const clock = createSystemClock({
    markFile: path.join(directory, 'clock.json'),
    trustSystem: config.clock.trustSystem,
  });
  if (clock.markFault !== undefined)
    log.warn({ err: clock.markFault }, 'the time of the last run is not known');
  const bootId = randomUUID();
  const release = releaseName();
  let link: ReturnType<typeof startLink> | null = null;
  let toldWritable = true;
  const journalNews = throttled(0, () => {
    // Before the link there is nobody to tell, and perhaps no journal yet.
    if (link === null) return;
    link.tell({ kind: 'journal', journal: numbersOf(journal) });
    if (journal.writable === toldWritable) return;
    toldWritable = journal.writable;
    stateNews.mark();
  });
  const journal = await openJournal(directory, key, bootId, {
    config,
    clock,
    log,
    onChange: journalNews.mark,
  });
  const store = openPolicyStore(directory, key);
  const policyAge = new PolicyAge(clock, await store.loadConfirmation());
  let policy = await loadPolicy(store, log);

  const stateNews = throttled(statePauseMs, () => {
    const reading = { offsetMs: clock.nowMs() - Date.now(), trust: clock.trust() };
    link?.tell({ kind: 'state', state: thread.report(bootId), clock: reading });
  });
  let serial: SerialReaders | null = null;
  const pinChecks = startPinChecks(later, (error) => log.error({ err: error }, 'the PIN Worker failed'));
  const thread = new DoorThread({
    config,
    clock,
    later,
    journal,
    gpio,
    policyAge,
    reply: (commandId, outcome) => link?.tell({ kind: 'reply', commandId, outcome }),
    onChange: stateNews.mark,
    onFault: (where, error) => {
      log.error({ err: error, where }, 'fault at the doors');
      if (where === 'gpio') options.onFatal(error instanceof Error ? error : new Error(String(error)));
    },
    tap: gpio.kind === 'fake' ? simulatedTap(config, simulationDir) : null,
    recentCommandIds: journal.recovery.recentCommandIds,
    serial: {
      signal: (readerKey, signal) => serial?.signal(readerKey, signal),
      pair: (readerKey, forMs) => serial?.pair(readerKey, forMs),
      cancelPairing: (readerKey) => serial?.cancelPairing(readerKey),
      switchOutput: (readerKey, output, forMs) => serial?.switchOutput(readerKey, output, forMs),
    },
    pinChecks,
    lockouts: await LockoutFile.open(directory, (fault) =>
      log.error({ err: fault }, 'wrong PINs of before are not known'),
    ),
  });
  // Before the doors show what they are: a lamp that hangs on a serial line is told too.
  serial = await startSerialReaders({ config, log, directory, key, thread });
  thread.append({ kind: 'boot', note: bootNote(journal, release) });
  if (policy !== null) thread.swapPolicy(policy, false);
  thread.start();
  log.info(
    {
      bootId,
      journal: numbersOf(journal),
      policy: policy?.version ?? null,
      gpio: gpio.kind,
      clockTrust: clock.trust(),
    },
    'doors are served',
  );

  const onMessage = (message: ToDoor): void => {
    switch (message.kind) {
      case 'policy': {
        const isNew = message.policy.version.hash !== policy?.version.hash;
        policy = { ...message.policy, removedIds: message.removedIds };
        thread.swapPolicy(policy, isNew);
        link?.tell({ kind: 'swapped', swap: message.swap });
        return;
      }
      case 'confirmed':
        policyAge.confirm();
        thread.unfind('policy.refused');
        return;
      case 'hubTime': {
        const trustBefore = clock.trust();
        clock.adoptHubTime(message.wallMs, message.trust);
        thread.onClockSet();
        // A kill in the next moment must not take the trust away that was just earned.
        if (clock.trust() !== trustBefore) void keepOrLog();
        thread.unfind('hub.gone');
        return;
      }
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
        thread.find({
          id: 'hub.gone',
          severity: 'warning',
          evidence: `No connection to the hub: ${message.reason}`.slice(0, 500),
          fix: 'Check that the hub runs. The doors go on with what they know.',
        });
        return;
      case 'policyRefused':
        thread.find({
          id: 'policy.refused',
          severity: 'warning',
          evidence: `The policy that the hub sent was not used: ${message.code}.`,
          fix: 'The bridge asks again by itself; if this stays, look at its free disk space and its log.',
        });
        return;
      default:
        unreachable(message);
    }
  };
  link = startLink({
    log,
    onMessage,
    data: () => ({
      stateDirectory: directory,
      connection: connectionOf(config, options.stateDirectory),
      bridgeKey: key,
      journalId: journal.journalId,
      journal: numbersOf(journal),
      policy,
      hello: {
        protocol: 1,
        bootId,
        release,
        portals: config.portals.map(({ key: portalKey, name, readers }) => ({
          key: portalKey,
          name,
          readers: readers.map((reader) => reader.key),
        })),
        simulated: gpio.kind === 'fake',
      },
      clock: { offsetMs: clock.nowMs() - Date.now(), trust: clock.trust() },
      logLevel: config.log.level,
    }),
  });

  const keep = async (): Promise<void> => {
    const { journalId, ackedSeq: seq } = journal;
    await writeAcked(path.join(directory, 'journal-acked.json'), { journalId, seq });
    await clock.saveMark();
  };
  const keepOrLog = (): Promise<void> =>
    keep().catch((error: unknown) => log.warn({ err: error }, 'clock and acknowledgements were not kept'));
  const timers = [
    setInterval(stateNews.mark, stateEveryMs),
    setInterval(() => void keepOrLog(), keepEveryMs),
  ];
  stateNews.mark();

  return {
    log,
    lockAll: () => thread.stop(),
    async stop() {
      for (const timer of timers) clearInterval(timer);
      thread.stop();
      stateNews.stop();
      journalNews.stop();
      await pinChecks.stop();
      await serial?.stop();
      await link.stop();
      await gpio.close();
      await journal.close();
      await keepOrLog();
      clock.close();
      log.info({}, 'stopped; every door is locked');
    },
  };
}

const numbersOf = (journal: Journal): { firstSeq: number; lastSeq: number; syncedSeq: number } => ({
  firstSeq: journal.firstSeq,
  lastSeq: journal.lastSeq,
  syncedSeq: journal.syncedSeq,
});
