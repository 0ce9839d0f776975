import type { ReaderFault } from '#bridge/ports.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { cardPresence } from './card-presence.ts';
import type { SerialClock, SerialDriver, SerialHooks } from './serial-driver.ts';

/** The outcome of bytes on a serial line. */
export type UartOutcome =
  | { readonly kind: 'read'; readonly read: CardRead }
  | { readonly kind: 'fault'; readonly fault: ReaderFault['kind']; readonly bits: number };

/** Bytes -> outcomes of a reader that speaks without being asked. Pure: the time comes with the bytes. */
export interface UartParser {
  /** `nowMs` is monotonic; all bytes count as of this time. */
  push(bytes: Uint8Array, nowMs: number): readonly UartOutcome[];
  /** Forgets a frame under way. */
  reset(): void;
}

/** Why a read-only reader is offline: sentences by the word in `SerialReaderState.problem`. */
export const listeningProblems = {
  portClosed: 'The serial port is not open.',
} as const;

export interface ListeningReader {
  readonly readerKey: string;
  readonly parser: UartParser;
  /** A card that has not been seen for longer counts as presented again. */
  readonly awayMs: number;
  readonly hooks: SerialHooks;
  readonly clock: SerialClock;
}

/**
 * Drives a reader that only sends: nothing can be asked of it, so it counts as online while its port is open. It has
 * no timers. `onChange` is called for the link only, not for every counted frame.
 */
export function listeningDriver({ readerKey, parser, awayMs, hooks, clock }: ListeningReader): SerialDriver {
  const presence = cardPresence(awayMs);
  let open = false;
  let goodFrames = 0;
  let faultyFrames = 0;

  const setOpen = (value: boolean): void => {
    parser.reset();
    if (open === value) return;
    open = value;
    hooks.onChange(readerKey);
  };

  const deliver = (outcome: UartOutcome, nowMs: number): void => {
    if (outcome.kind === 'fault') {
      faultyFrames += 1;
      hooks.onFault({ readerKey, kind: outcome.fault, bits: outcome.bits });
      return;
    }
    goodFrames += 1;
    const { read } = outcome;
    if (presence.arrives(`${read.reading}:${read.bits}:${read.hex}`, nowMs))
      hooks.onRead({ readerKey, read });
  };

  return {
    problemTexts: listeningProblems,
    onOpen: () => setOpen(true),
    onBytes(bytes) {
      if (!open) return;
      const nowMs = clock.now();
      for (const outcome of parser.push(bytes, nowMs)) deliver(outcome, nowMs);
    },
    onClosed: () => setOpen(false),
    report: () => [
      {
        readerKey,
        link: open ? 'online' : 'offline',
        channel: null,
        tamper: null,
        powerFault: null,
        inputs: [],
        outputs: [],
        identity: null,
        goodFrames,
        faultyFrames,
        timeouts: 0,
        problem: open ? null : 'portClosed',
        quirks: [],
      },
    ],
    stop() {
      open = false;
      parser.reset();
    },
  };
}
