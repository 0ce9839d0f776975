import type { Later } from '#bridge/ports.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { unreachable } from '#hub/kernel/result.ts';
import { drivenPorts, type NamedPort } from './drivers.ts';
import type { FromSerial, ToSerial } from './messages.ts';
import { openSerialLine } from './port.ts';

/*
 * The process that owns the serial lines, started by `host.ts`. The native part of the serial package works in a main
 * thread only, and a crash there must not take the doors down: hence a process, not a Worker.
 */

/** Shortest interval between reports of states, and longest between those of counters. */
const stateEveryMs = 100;
const counterEveryMs = 2000;

const later: Later = (delayMs, run) => {
  const timer = setTimeout(run, Math.max(0, delayMs));
  return () => clearTimeout(timer);
};
const clock = { now: () => performance.now(), later };

/** Messages to a bridge that is gone are dropped: without its channel the process ends. */
function tell(message: FromSerial): void {
  process.send?.(message);
}

type Start = Extract<ToSerial, { kind: 'start' }>;
type UnstoredKeys = Map<string, { readonly key: Uint8Array; readonly stored: () => void }>;

class SerialLines {
  readonly #ports: readonly NamedPort[];
  /** Why each port is closed; null: it is open. */
  readonly #problems = new Map<string, string | null>();
  /** New keys that the bridge is writing to the disk. */
  readonly #unstored: UnstoredKeys;
  #reported = '';
  #stateTimer: NodeJS.Timeout | null = null;

  private constructor(ports: readonly NamedPort[], unstored: UnstoredKeys) {
    this.#ports = ports;
    this.#unstored = unstored;
  }

  static async open(readers: Start['readers']): Promise<SerialLines> {
    const unstored: UnstoredKeys = new Map();
    let onChange = (): void => undefined;
    const ports = await drivenPorts(
      readers,
      {
        onRead: ({ readerKey, read }) => tell({ kind: 'read', readerKey, read }),
        onKeys: ({ readerKey, keys }) => tell({ kind: 'keys', readerKey, keys }),
        onFault: (fault) => tell({ kind: 'fault', fault }),
        onChange: () => onChange(),
        onKeyPending(readerKey, key, stored) {
          unstored.set(readerKey, { key, stored });
          tell({ kind: 'keyPending', readerKey, key });
        },
        onKeyRefused: (readerKey) => tell({ kind: 'keyRefused', readerKey }),
        onKeySet: (readerKey, key) => tell({ kind: 'keySet', readerKey, key }),
      },
      clock,
    );
    const lines = new SerialLines(ports, unstored);
    onChange = () => lines.#reportSoon();
    for (const driven of ports) lines.#open(driven);
    setInterval(() => lines.#reportStates(), counterEveryMs);
    return lines;
  }

  #open({ port, baudRate, driver }: NamedPort): void {
    openSerialLine({
      port,
      baudRate,
      clock,
      onBytes: (bytes) => driver.onBytes(bytes),
      onOpen: (line) => {
        this.#problems.set(port, null);
        tell({ kind: 'port', port, problem: null });
        driver.onOpen(line);
        this.#reportSoon();
      },
      onClosed: ({ message }) => {
        this.#problems.set(port, message);
        tell({ kind: 'port', port, problem: message });
        driver.onClosed();
        this.#reportSoon();
      },
    });
  }

  #states(): SerialReaderState[] {
    return this.#ports.flatMap(({ port, driver }) => {
      const closed = this.#problems.get(port) ?? null;
      return driver.report().map((state) => {
        const { problem } = state;
        const textOf = (word: string): string => driver.problemTexts[word] ?? word;
        return {
          ...state,
          problem: problem === null ? null : (closed ?? textOf(problem)),
          quirks: state.quirks.map(textOf),
        };
      });
    });
  }

  #reportSoon(): void {
    if (this.#stateTimer !== null) return;
    this.#stateTimer = setTimeout(() => {
      this.#stateTimer = null;
      this.#reportStates();
    }, stateEveryMs);
  }

  #reportStates(): void {
    const states = this.#states();
    const text = JSON.stringify(states);
    if (text === this.#reported) return;
    this.#reported = text;
    tell({ kind: 'states', states });
  }

  take(message: Exclude<ToSerial, Start>): void {
    const { readerKey } = message;
    const orders = this.#ports.find(({ readerKeys }) => readerKeys.includes(readerKey))?.orders ?? null;
    switch (message.kind) {
      case 'signal':
        orders?.signal(readerKey, message.signal);
        return;
      case 'pair':
        orders?.pair(readerKey, message.forMs);
        return;
      case 'cancelPairing':
        orders?.cancelPairing(readerKey);
        return;
      case 'switchOutput':
        orders?.switchOutput(readerKey, message.output, message.forMs);
        return;
      case 'keyStored': {
        const unstored = this.#unstored.get(readerKey);
        if (unstored === undefined || !Buffer.from(unstored.key).equals(message.key)) return;
        this.#unstored.delete(readerKey);
        unstored.stored();
        return;
      }
      default:
        unreachable(message);
    }
  }
}

const isOrder = (message: unknown): message is ToSerial =>
  typeof message === 'object' && message !== null && 'kind' in message;

let lines: Promise<SerialLines> | null = null;
process.on('message', (message) => {
  if (!isOrder(message)) return;
  if (message.kind === 'start') lines ??= SerialLines.open(message.readers);
  // In order: orders that arrive while drivers load wait for them.
  else void lines?.then((open) => open.take(message));
});
// The bridge has ended, for whatever reason: the next one needs the ports.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the bridge decides when to end.
process.on('SIGINT', () => undefined);
