import type { ReaderFault } from '#bridge/ports.ts';
import type { ReaderSignal } from '#bridge/readers/feedback.ts';
import type { SerialReaderSetup } from '#bridge/readers/kind.ts';
import type { SerialReaderConfig } from '#bridge/readers/registry.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

/** Messages between the bridge and its serial process. Both are of one release, so nothing here is parsed. */

export type ToSerial =
  /** The first message, sent once. */
  | { readonly kind: 'start'; readonly readers: readonly SerialReaderSetup<SerialReaderConfig>[] }
  | { readonly kind: 'signal'; readonly readerKey: string; readonly signal: ReaderSignal }
  | { readonly kind: 'pair'; readonly readerKey: string; readonly forMs: number }
  | { readonly kind: 'cancelPairing'; readonly readerKey: string }
  /** `output` from 1. */
  | {
      readonly kind: 'switchOutput';
      readonly readerKey: string;
      readonly output: number;
      readonly forMs: number;
    }
  /** The key of a `keyPending` is on the disk. */
  | { readonly kind: 'keyStored'; readonly readerKey: string; readonly key: Uint8Array };

export type FromSerial =
  | { readonly kind: 'read'; readonly readerKey: string; readonly read: CardRead }
  /** Digits, `*` and `#` as they were pressed. Never stored. */
  | { readonly kind: 'keys'; readonly readerKey: string; readonly keys: string }
  | { readonly kind: 'fault'; readonly fault: ReaderFault }
  /** The states of all readers; `problem` and `quirks` are sentences. */
  | { readonly kind: 'states'; readonly states: readonly SerialReaderState[] }
  | {
      readonly kind: 'port';
      readonly port: string;
      /** Why it is closed; null: it is open. */
      readonly problem: string | null;
    }
  | { readonly kind: 'keyPending'; readonly readerKey: string; readonly key: Uint8Array }
  | { readonly kind: 'keyRefused'; readonly readerKey: string }
  | { readonly kind: 'keySet'; readonly readerKey: string; readonly key: Uint8Array };
