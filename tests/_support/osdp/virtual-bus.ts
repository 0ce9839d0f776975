import type { ReaderFault } from '#bridge/ports.ts';
import { OsdpBus } from '#bridge/readers/osdp/bus.ts';
import type { Patience } from '#bridge/readers/osdp/peripheral/retry-policy.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';
import { BusSimulator } from './bus-simulator.ts';
import { SimulatedPeripheral } from './peripheral.ts';
import type { PeripheralOptions } from './peripheral-options.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A reply is handed over whole, at its end, as a USB adapter does. */
const wholeReply = 2000;

type OnWire = (bytes: Uint8Array, nth: number, atMs: number) => readonly Uint8Array[];

export interface VirtualBusSetup {
  readonly readers: number;
  readonly baudRate: number;
  /** Each reader has a key of its own; else none has a secure channel. */
  readonly secure: boolean;
  readonly seed: number;
  /** Of the panel's commands; default: CRC. */
  readonly crc?: boolean;
  readonly patience?: Patience;
  readonly peripheral?: Pick<Partial<PeripheralOptions>, 'onBadCheck' | 'knowsChecks'>;
  /** What arrives of the nth command, or of the nth reply; in pieces, one after the other. */
  readonly onCommand?: OnWire;
  readonly onReply?: OnWire;
}

const whole = (bytes: Uint8Array): readonly Uint8Array[] => [bytes];

/** The panel's bus and simulated readers at addresses 0, 1, .. in virtual time: the same seed is the same run. */
export class VirtualBus {
  readonly clock = new VirtualClock();
  readonly peripherals: readonly SimulatedPeripheral[];
  readonly bus: OsdpBus;
  /** What the bus delivered. */
  readonly reads: CardRead[] = [];
  readonly faults: ReaderFault['kind'][] = [];
  keysPressed = 0;
  commands = 0;
  replies = 0;

  constructor(setup: VirtualBusSetup) {
    const { baudRate, secure, onCommand = whole, onReply = whole } = setup;
    const random = seededRandom(setup.seed);
    const randomBytes = (length: number): Uint8Array =>
      Uint8Array.from({ length }, () => Math.floor(random() * 256));
    const addresses = Array.from({ length: setup.readers }, (_, address) => address);
    const keys = addresses.map(() => (secure ? randomBytes(16) : null));
    this.peripherals = addresses.map(
      (address) =>
        new SimulatedPeripheral({
          address,
          baudRate,
          ownKey: keys[address] ?? null,
          ...setup.peripheral,
          now: this.clock.now,
          randomBytes,
        }),
    );
    const line = new BusSimulator({
      clock: this.clock,
      peripherals: this.peripherals,
      baudRate,
      chunkBytes: wholeReply,
      deliver: (bytes) => {
        this.replies += 1;
        for (const piece of onReply(bytes, this.replies - 1, this.clock.now())) this.bus.onBytes(piece);
      },
    });
    this.bus = new OsdpBus({
      readers: addresses.map((address) => ({
        readerKey: `reader-${address}`,
        address,
        secureChannel: secure ? 'required' : 'off',
        key: keys[address] ?? null,
      })),
      baudRate,
      clock: this.clock,
      random: randomBytes,
      ...(setup.crc === undefined ? {} : { crc: setup.crc }),
      ...(setup.patience === undefined ? {} : { patience: setup.patience }),
      hooks: {
        onRead: ({ read }) => this.reads.push(read),
        onKeys: ({ keys: pressed }) => {
          this.keysPressed += pressed.length;
        },
        onFault: ({ kind }) => this.faults.push(kind),
        onChange: () => undefined,
        newKey: () => randomBytes(16),
        onKeyPending: (_, __, stored) => stored(),
        onKeyRefused: () => undefined,
        onKeySet: () => undefined,
        onCommunication: () => undefined,
      },
    });
    this.bus.onOpen({
      write: (bytes) => {
        this.commands += 1;
        for (const piece of onCommand(bytes, this.commands - 1, this.clock.now())) line.write(piece);
      },
      setBaudRate: () => undefined,
    });
  }

  /** Whether all readers are online. */
  get isOnline(): boolean {
    return this.bus.report().every(({ link }) => link === 'online');
  }

  /** Good frames since the start, of all readers. */
  get goodFrames(): number {
    return this.bus.report().reduce((sum, { goodFrames }) => sum + goodFrames, 0);
  }

  /** The records of what came; a run without end has no use for them. */
  forget(): void {
    this.reads.length = 0;
    this.faults.length = 0;
    for (const { commands, violations, device } of this.peripherals) {
      commands.length = 0;
      violations.length = 0;
      device.ledCommands.length = 0;
      device.buzzes.length = 0;
    }
  }
}
