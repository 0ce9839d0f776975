import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bridgeConfigSchema } from '#bridge/config.ts';
import { lineRequests } from '#bridge/door/line-requests.ts';
import { DoorThread } from '#bridge/door/thread.ts';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { PolicyAge } from '#bridge/policy/policy.ts';
import { isSerial } from '#bridge/readers/registry.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { type SerialReaders, startSerial } from '#bridge/serial/host.ts';
import { ReaderKeyFile } from '#bridge/serial/reader-key-file.ts';
import { createSystemClock } from '#hub/platform/clock/system-clock.ts';
import { createLog } from '#hub/platform/log.ts';
import { noPins } from '#tests/_support/doors/no-pins.ts';
import { until } from '#tests/_support/until.ts';
import { MemoryGpio } from '#tests/bridge/door/memory-gpio.ts';
import { makePolicy } from '#tests/bridge/policy/fixtures.ts';

const bridgeKey = Buffer.alloc(32, 9);
/** From the grant until the door is opened, and until it is shut again. */
const openAfterMs = 700;
const shutAfterMs = 300;

const strikeOf = (address: number): number => address * 2;
const contactOf = (address: number): number => address * 2 + 1;
const portalKey = (address: number): string => `door-${address}`;
const readerKey = (address: number): string => `door-${address}-reader`;

export interface OsdpDoorsSetup {
  readonly port: string;
  readonly baudRate: number;
  /** Of the readers, one for each address from 0 on. */
  readonly keys: readonly Uint8Array[];
  /** So many cards are let in everywhere: those of `cardNumber`. */
  readonly cards: number;
}

const configOf = ({ port, baudRate, keys }: OsdpDoorsSetup) =>
  bridgeConfigSchema.parse({
    portals: keys.map((_, address) => ({
      key: portalKey(address),
      name: `Door ${address}`,
      readers: [{ key: readerKey(address), wiring: { kind: 'osdp', port, baudRate, address } }],
      strike: { line: strikeOf(address), failMode: 'secure' },
      contact: { line: contactOf(address), debounceMs: 0 },
    })),
  });

const later = (delayMs: number, run: () => void): (() => void) => {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
};

/**
 * Doors with OSDP readers on one bus as the bridge has them: the serial process, the door thread, the policy and the
 * journal on the disk. Somebody goes through every door that is released.
 */
export class OsdpDoors {
  readonly #directory: string;
  readonly #closing: (() => Promise<void> | void)[] = [];
  readonly #waiting = new Map<number, (atNs: bigint) => void>();
  #states: readonly SerialReaderState[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(setup: OsdpDoorsSetup): Promise<OsdpDoors> {
    const doors = new OsdpDoors(await mkdtemp(path.join(tmpdir(), 'mc-osdp-')));
    await doors.#start(setup);
    return doors;
  }

  async #start(setup: OsdpDoorsSetup): Promise<void> {
    const directory = this.#directory;
    const config = configOf(setup);
    const clock = createSystemClock({ markFile: path.join(directory, 'clock.json'), trustSystem: true });
    this.#closing.push(() => clock.close());
    const journal = await Journal.open({
      disk: openJournalDisk(path.join(directory, 'journal')),
      key: bridgeKey,
      bootId: crypto.randomUUID(),
      maxBytes: 64 * 1024 * 1024,
      trustedNowMs: () => clock.nowMs(),
      later,
    });
    this.#closing.push(() => journal.close());
    const gpio = new MemoryGpio(lineRequests(config));
    gpio.onWrite = (offset, level) => {
      if (level === 1 && offset % 2 === 0) this.#released(gpio, offset / 2);
    };
    const policyAge = new PolicyAge(clock, null);
    policyAge.confirm();
    const fault = (where: string, error: unknown): never => {
      throw new Error(where, { cause: error });
    };
    let serial: SerialReaders | null = null;
    const thread = new DoorThread({
      config,
      clock,
      later,
      journal,
      gpio,
      policyAge,
      reply: () => undefined,
      onChange: () => undefined,
      onFault: fault,
      tap: null,
      recentCommandIds: [],
      serial: {
        signal: (key, signal) => serial?.signal(key, signal),
        pair: () => undefined,
        cancelPairing: () => undefined,
        switchOutput: () => undefined,
      },
      ...noPins,
    });
    this.#closing.push(() => thread.stop());
    const portalKeys = config.portals.map(({ key }) => key);
    const cards = Array.from({ length: setup.cards }, (_, number) => ({ number }));
    thread.swapPolicy(makePolicy(cards, { settings: { relock: 'onOpen' }, portalKeys }), false);
    const keys = await ReaderKeyFile.open(directory, bridgeKey, (error) => fault('keys', error));
    for (const [address, key] of setup.keys.entries()) await keys.saveOwn(readerKey(address), key);
    const started = startSerial({
      readers: config.portals
        .flatMap(({ readers }) => readers)
        .flatMap(({ key, wiring }) => (isSerial(wiring) ? [{ key, wiring }] : [])),
      keys,
      later,
      log: createLog({ level: 'error' }),
      onRead: (key, read) => thread.takeSerialRead(key, read),
      onKeys: (key, pressed) => thread.takeKeys(key, pressed),
      onFault: (noted) => thread.takeSerialFault(noted),
      onPort: (name, problem) => thread.noteSerialPort(name, problem),
      onStates: (states) => {
        this.#states = states;
        thread.takeSerialStates(states);
      },
      onPaired: (key) => thread.noteReaderPaired(key),
      onKeyRefused: (key) => thread.noteKeyRefused(key),
      onKeyFault: fault,
    });
    serial = started;
    this.#closing.push(() => started.stop());
    thread.start();
  }

  #released(gpio: MemoryGpio, address: number): void {
    this.#waiting.get(address)?.(process.hrtime.bigint());
    this.#waiting.delete(address);
    later(openAfterMs, () => gpio.set(contactOf(address), 1));
    later(openAfterMs + shutAfterMs, () => gpio.set(contactOf(address), 0));
  }

  /** When the strike of this door is released next, monotonic ns. */
  nextRelease(address: number): Promise<bigint> {
    return new Promise((resolve) => {
      this.#waiting.set(address, resolve);
    });
  }

  /** How many readers are online now. */
  online(): number {
    return this.#states.filter(({ link }) => link === 'online').length;
  }

  async untilOnline(count: number): Promise<void> {
    await until(`${count} readers are online`, () => this.online() === count, 60_000);
    // What is shown and asked at the beginning of a session.
    await pause(1500);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.toReversed()) await close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
