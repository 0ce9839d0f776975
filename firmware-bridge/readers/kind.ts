import type { z } from 'zod';
import type { InputLine, ReaderDriver, ReaderHooks, SimulatedTap } from '#bridge/ports.ts';
import type { ReaderKind as HubReaderKind } from '#hub/domains/access/schema.ts';
import type { ReaderOrders, SerialClock, SerialDriver, SerialHooks } from './serial-driver.ts';

/*
 * The contract of a reader kind: everything that the rest of the bridge knows of it. A kind is a folder whose `kind.ts`
 * exports one of these, and one line in `kinds.ts`. The door thread loads every `kind.ts`, so it stays small: the driver
 * of a serial kind is loaded by `open`, in the serial process only.
 */

/** The keypad of a reader: sends each key as it is pressed, digits only (whole, on `#`), or none. */
export type Keypad = 'keys' | 'digits' | 'none';

interface AnyReaderKind<Config> {
  /** Its part of `bridge.yaml`: a strict object whose `kind` is a literal. */
  readonly schema: z.ZodObject;
  /**
   * The name under which the hub lists it and picks its advice. A new kind borrows that of its nearest relative until the
   * hub has words of its own for it.
   */
  readonly shownAs: HubReaderKind;
  keypad(config: Config): Keypad;
}

/** A frame for the simulator: bits, first sent first, on two data lines. */
export interface SimulatedFrame {
  readonly bits: string;
  readonly d0: number;
  readonly d1: number;
}

/** Readers on GPIO lines. Their drivers run on the door thread. */
export interface GpioReaderKind<Config> extends AnyReaderKind<Config> {
  readonly connection: 'gpio';
  /** The data lines, each by its field in the configuration. */
  dataLines(config: Config): readonly { readonly field: string; readonly line: InputLine }[];
  createDriver(readerKey: string, config: Config, hooks: ReaderHooks): ReaderDriver;
  simulate(config: Config, tap: SimulatedTap): readonly SimulatedFrame[];
}

/** The key of a reader with a secure channel, and one that it was about to get when the last run ended. */
export interface ReaderKeyPair {
  readonly own: Uint8Array | null;
  readonly pending: Uint8Array | null;
}

export interface SerialReaderSetup<Config> {
  readonly readerKey: string;
  readonly wiring: Config;
  readonly keys: ReaderKeyPair;
}

export interface DriverHooks extends SerialHooks {
  /** The reader is about to get this key: store it beside the old one, then call `stored` (at once or later). */
  onKeyPending(readerKey: string, key: Uint8Array, stored: () => void): void;
  /** The reader proved that it has this key, which replaces the old one. */
  onKeySet(readerKey: string, key: Uint8Array): void;
  /** The reader did not take the new key; one that has a key of its own keeps it. */
  onKeyRefused(readerKey: string): void;
}

/** A port as its readers need it, with the driver that speaks on it. */
export interface DrivenPort {
  readonly baudRate: number;
  readonly driver: SerialDriver;
  /** Null: these readers take no orders. */
  readonly orders: ReaderOrders | null;
}

/** Rules for readers of one kind that share a port. */
export interface BusRules<Config> {
  /** The name of the bus in messages for people. */
  readonly title: string;
  /** Unique on the port; the configuration has it as `address`. */
  address(config: Config): number;
  /** The first field that must be equal on the whole bus and is not, and those that go with it. Null: they agree. */
  mismatch(config: Config, first: Config): { readonly field: string; readonly others: string } | null;
}

/** Readers on serial lines. Their drivers run in the serial process. */
export interface SerialReaderKind<Config> extends AnyReaderKind<Config> {
  readonly connection: 'serial';
  /** Null: a reader of this kind is alone on its port. */
  readonly bus: BusRules<Config> | null;
  /** Its lamp and buzzer are driven over the line. */
  readonly hasSignals: boolean;
  /** Whether this reader can be given a key of its own. */
  isPairable(config: Config): boolean;
  /** Loads the driver and puts it on the port that `setups` share. */
  open(
    setups: readonly [SerialReaderSetup<Config>, ...SerialReaderSetup<Config>[]],
    hooks: DriverHooks,
    clock: SerialClock,
  ): Promise<DrivenPort>;
}
