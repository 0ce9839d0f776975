import type { PeripheralEvent } from './events.ts';
import type { Patience } from './retry-policy.ts';

export interface PeripheralOptions {
  readonly readerKey: string;
  readonly address: number;
  readonly baudRate: number;
  /** The check of our commands; the answers, and a reader that does not answer, may bring the other one. */
  readonly crc: boolean;
  readonly secureChannel: 'required' | 'off';
  /** Cards and keys that are sealed but not encrypted are taken. */
  readonly openCards: boolean;
  readonly key: Uint8Array | null;
  /** A key that may have reached the reader: `onKeyPending` without `onKeySet`. */
  readonly pendingKey: Uint8Array | null;
  readonly ledNumber: number;
  readonly pollMs: number;
  readonly patience: Patience;
}

export interface PeripheralDeps {
  readonly random: (bytes: number) => Uint8Array;
  readonly newKey: () => Uint8Array;
  readonly emit: (event: PeripheralEvent) => void;
}
