import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import type { Later, ReaderFault } from '#bridge/ports.ts';
import { buzzerSignals, isPassing, ledSignals, type ReaderSignal } from '#bridge/readers/feedback.ts';
import type { SerialReaderConfig } from '#bridge/readers/registry.ts';
import type { ReaderOrders, SerialReaderState } from '#bridge/readers/serial-driver.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { assert, unreachable } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { FromSerial, ToSerial } from './messages.ts';
import type { ReaderKeyFile } from './reader-key-file.ts';

export interface SerialHostDeps {
  readonly readers: readonly { readonly key: string; readonly wiring: SerialReaderConfig }[];
  readonly keys: ReaderKeyFile;
  readonly later: Later;
  readonly log: Logger;
  readonly onRead: (readerKey: string, read: CardRead) => void;
  readonly onKeys: (readerKey: string, keys: string) => void;
  readonly onFault: (fault: ReaderFault) => void;
  /** A port was opened, or cannot be used: why, as a sentence; null: it is open. */
  readonly onPort: (port: string, problem: string | null) => void;
  readonly onStates: (states: readonly SerialReaderState[]) => void;
  /** The reader has proved that it has its new key, which is on the disk. */
  readonly onPaired: (readerKey: string) => void;
  /** The reader did not take its new key; one that has a key of its own keeps it. */
  readonly onKeyRefused: (readerKey: string) => void;
  /** A new key could not be stored, so the reader keeps its present one. */
  readonly onKeyFault: (readerKey: string, error: unknown) => void;
}

export interface SerialReaders extends ReaderOrders {
  /** Ends the process, which releases the ports. */
  stop(): Promise<void>;
}

const restartMs = [0, 1000, 2000, 5000];
/** A process that ran for this long is restarted at once. */
const steadyMs = 60_000;
/** So long lamps and buzzers of a few readers take to be set. */
const signalMs = 500;
const endedProblem =
  'The process that reads the serial lines has ended; it is started again by itself. The log has the reason.';

/** A small heap: the process holds frames of some bytes. */
const processFlags = ['--max-semi-space-size=1', '--max-old-space-size=64'];

const isFromSerial = (message: unknown): message is FromSerial =>
  typeof message === 'object' && message !== null && 'kind' in message;

/** Starts the serial process and restarts it whenever it ends, so that its faults never become those of a door. */
export const startSerial = (deps: SerialHostDeps): SerialReaders => new SerialHost(deps);

class SerialHost implements SerialReaders {
  readonly #deps: SerialHostDeps;
  #child: ChildProcess | null = null;
  #stopping = false;
  #ends = 0;
  #cancelRestart: (() => void) | null = null;
  /** When a lamp or a buzzer was set last. */
  #signalledMs = Number.NEGATIVE_INFINITY;
  #states: readonly SerialReaderState[] = [];
  /** The resting patterns of each lamp and buzzer, which a new process does not know. */
  readonly #resting = new Map<string, { led?: ReaderSignal; buzzer?: ReaderSignal }>();

  constructor(deps: SerialHostDeps) {
    assert(deps.readers.length > 0, 'without a serial reader there is no serial process');
    this.#deps = deps;
    this.#start();
  }

  signal(readerKey: string, signal: ReaderSignal): void {
    const resting = this.#resting.get(readerKey) ?? {};
    this.#resting.set(readerKey, resting);
    if ('led' in signal) {
      if (!isPassing(ledSignals[signal.led])) resting.led = signal;
    } else if (!isPassing(buzzerSignals[signal.buzzer])) resting.buzzer = signal;
    this.#signalledMs = performance.now();
    this.#tell({ kind: 'signal', readerKey, signal });
  }
  pair(readerKey: string, forMs: number): void {
    this.#tell({ kind: 'pair', readerKey, forMs });
  }
  cancelPairing(readerKey: string): void {
    this.#tell({ kind: 'cancelPairing', readerKey });
  }

  switchOutput(readerKey: string, output: number, forMs: number): void {
    this.#tell({ kind: 'switchOutput', readerKey, output, forMs });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart?.();
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    // Doors that stop put their readers to rest: an alarm must not sound on.
    const restMs = this.#signalledMs + signalMs - performance.now();
    if (restMs > 0) await new Promise<void>((resolve) => this.#deps.later(restMs, resolve));
    child.kill('SIGKILL');
    await ended;
  }

  #tell(message: ToSerial): void {
    const child = this.#child;
    // A process that is ending may miss orders; the states of the next one lead to new ones.
    if (child?.connected === true) child.send(message, () => undefined);
  }

  #start(): void {
    const { readers, keys, log } = this.#deps;
    const startedMs = performance.now();
    const child = fork(path.join(import.meta.dirname, 'process.ts'), [], {
      execArgv: processFlags,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message) => {
      if (isFromSerial(message)) this.#take(message);
    });
    child.on('error', (error) => log.error({ err: error }, 'the serial process could not be reached'));
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (this.#stopping) return;
      log.error({ code, signal }, 'the serial process ended; it is started again');
      this.#noteEnd(performance.now() - startedMs >= steadyMs);
    });
    this.#tell({
      kind: 'start',
      readers: readers.map(({ key, wiring }) => ({ readerKey: key, wiring, keys: keys.find(key) })),
    });
    for (const [readerKey, { led, buzzer }] of this.#resting)
      for (const signal of [led, buzzer])
        if (signal !== undefined) this.#tell({ kind: 'signal', readerKey, signal });
  }

  #noteEnd(wasSteady: boolean): void {
    this.#states = this.#states.map((state) => ({
      ...state,
      link: 'offline',
      inputs: [],
      outputs: [],
      problem: endedProblem,
    }));
    this.#deps.onStates(this.#states);
    this.#ends = wasSteady ? 0 : this.#ends + 1;
    const delayMs = restartMs[Math.min(this.#ends, restartMs.length - 1)] ?? 0;
    this.#cancelRestart = this.#deps.later(delayMs, () => this.#start());
  }

  #take(message: FromSerial): void {
    const { onRead, onKeys, onFault, onPort, onStates, onKeyRefused, log } = this.#deps;
    switch (message.kind) {
      case 'read':
        onRead(message.readerKey, message.read);
        return;
      case 'keys':
        onKeys(message.readerKey, message.keys);
        return;
      case 'fault':
        onFault(message.fault);
        return;
      case 'states':
        this.#states = message.states;
        onStates(message.states);
        return;
      case 'port':
        if (message.problem === null) log.info({ port: message.port }, 'serial port open');
        else log.warn({ port: message.port, problem: message.problem }, 'serial port closed');
        onPort(message.port, message.problem);
        return;
      case 'keyPending':
        void this.#keepPending(message.readerKey, message.key);
        return;
      case 'keyRefused':
        log.warn({ readerKey: message.readerKey }, 'the reader did not take its new key');
        onKeyRefused(message.readerKey);
        return;
      case 'keySet':
        void this.#keepOwn(message.readerKey, message.key);
        return;
      default:
        unreachable(message);
    }
  }

  /** Stores a new key before the reader gets it: nobody else knows it. */
  async #keepPending(readerKey: string, key: Uint8Array): Promise<void> {
    const { keys, onKeyFault } = this.#deps;
    try {
      await keys.savePending(readerKey, key);
    } catch (error) {
      onKeyFault(readerKey, error);
      return;
    }
    this.#tell({ kind: 'keyStored', readerKey, key });
  }

  async #keepOwn(readerKey: string, key: Uint8Array): Promise<void> {
    const { keys, onKeyFault, onPaired } = this.#deps;
    try {
      await keys.saveOwn(readerKey, key);
    } catch (error) {
      // It is on the disk as pending, which serves as well.
      onKeyFault(readerKey, error);
    }
    onPaired(readerKey);
  }
}
