import type { Later } from '#bridge/ports.ts';
import { timedOnCode } from '#bridge/readers/osdp/wire/messages.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { unreachable } from '#hub/kernel/result.ts';
import { type DrivenPort, drivenPorts } from './drivers.ts';
import type { FromSerial, SerialReaderSetup, ToSerial } from './messages.ts';
import { openSerialLine } from './port.ts';

/*
 * The process that owns the serial lines, started by `host.ts`. The native part of the serial package works in a
 * main thread only, and an end of it must not be the end of the doors: hence a process, not a Worker.
 */

/** States leave at most so often, and counters at least so often. */
const stateEveryMs = 100;
const counterEveryMs = 2000;

const later: Later = (delayMs, run) => {
  const timer = setTimeout(run, Math.max(0, delayMs));
  return () => clearTimeout(timer);
};
const clock = { now: () => performance.now(), later };

/** Orders of a bridge that is gone are nobody's: without its channel the process ends. */
function tell(message: FromSerial): void {
  process.send?.(message);
}

class SerialLines {
  readonly #ports: readonly DrivenPort[];
  /** Why each port is closed; null: it is open. */
  readonly #problems = new Map<string, string | null>();
  readonly #waiting = new Map<string, { readonly key: Uint8Array; readonly stored: () => void }>();
  #told = '';
  #stateTimer: NodeJS.Timeout | null = null;

  constructor(readers: readonly SerialReaderSetup[]) {
    this.#ports = drivenPorts(
      readers,
      {
        onRead: ({ readerKey, read }) => tell({ kind: 'read', readerKey, read }),
        onKeys: ({ readerKey, keys }) => tell({ kind: 'keys', readerKey, keys }),
        onFault: (fault) => {
          tell({ kind: 'fault', fault });
        },
        onChange: () => this.#tellSoon(),
        onKeyPending: (readerKey, key, stored) => {
          this.#waiting.set(readerKey, { key, stored });
          tell({ kind: 'keyPending', readerKey, key });
        },
        onKeySet: (readerKey, key) => tell({ kind: 'keySet', readerKey, key }),
      },
      clock,
    );
    for (const driven of this.#ports) this.#open(driven);
    setInterval(() => this.#tellStates(), counterEveryMs);
  }

  #open({ port, baudRate, driver }: DrivenPort): void {
    openSerialLine({
      port,
      baudRate,
      clock,
      onBytes: (bytes) => driver.onBytes(bytes),
      onOpen: (line) => {
        this.#problems.set(port, null);
        tell({ kind: 'port', port, problem: null });
        driver.onOpen(line);
        this.#tellSoon();
      },
      onClosed: ({ message }) => {
        this.#problems.set(port, message);
        tell({ kind: 'port', port, problem: message });
        driver.onClosed();
        this.#tellSoon();
      },
    });
  }

  #states(): SerialReaderState[] {
    return this.#ports.flatMap(({ port, driver, problemTexts }) => {
      const closed = this.#problems.get(port) ?? null;
      return driver.report().map((state) => {
        const { problem } = state;
        return { ...state, problem: problem === null ? null : (closed ?? problemTexts[problem] ?? problem) };
      });
    });
  }

  #tellSoon(): void {
    if (this.#stateTimer !== null) return;
    this.#stateTimer = setTimeout(() => {
      this.#stateTimer = null;
      this.#tellStates();
    }, stateEveryMs);
  }

  #tellStates(): void {
    const states = this.#states();
    const text = JSON.stringify(states);
    if (text === this.#told) return;
    this.#told = text;
    tell({ kind: 'states', states });
  }

  take(message: Exclude<ToSerial, { kind: 'start' }>): void {
    const { readerKey } = message;
    const bus = this.#ports.find(({ readerKeys }) => readerKeys.includes(readerKey))?.bus ?? null;
    switch (message.kind) {
      case 'signal':
        bus?.signal(readerKey, message.signal);
        return;
      case 'pair':
        bus?.beginInstall(readerKey, message.forMs);
        // One that is there with a key of its own gets another.
        if (bus?.report().some((state) => state.readerKey === readerKey && state.channel === 'ownKey'))
          bus.changeKey(readerKey);
        return;
      case 'cancelPairing':
        bus?.cancelInstall(readerKey);
        return;
      case 'switchOutput':
        bus?.output(readerKey, message.output - 1, timedOnCode, Math.round(message.forMs / 100));
        return;
      case 'keyStored': {
        const waiting = this.#waiting.get(readerKey);
        if (waiting === undefined || !Buffer.from(waiting.key).equals(message.key)) return;
        this.#waiting.delete(readerKey);
        waiting.stored();
        return;
      }
      default:
        unreachable(message);
    }
  }
}

const isOrder = (message: unknown): message is ToSerial =>
  typeof message === 'object' && message !== null && 'kind' in message;

let lines: SerialLines | null = null;
process.on('message', (message) => {
  if (!isOrder(message)) return;
  if (message.kind === 'start') lines ??= new SerialLines(message.readers);
  else lines?.take(message);
});
// The bridge has ended, however: whoever starts next needs the ports.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the bridge says when it is time.
process.on('SIGINT', () => undefined);
