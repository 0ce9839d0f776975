import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { ReaderFault } from '#bridge/ports.ts';
import {
  OsdpBus,
  type OsdpBusOptions,
  type OsdpHooks,
  type OsdpReaderOptions,
} from '#bridge/readers/osdp/bus.ts';
import type { SerialClock, SerialLine } from '#bridge/readers/serial-driver.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

export const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Time that moves only when a test says so. */
export class VirtualClock implements SerialClock {
  #nowMs = 0;
  #timers: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;
  readonly now = (): number => this.#nowMs;
  readonly later = (delayMs: number, run: () => void): (() => void) => {
    this.#order += 1;
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };
  get timers(): number {
    return this.#timers.length;
  }
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }
  /** The process is held up: time passes, and what is due by then comes late. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }
}

const crcOf = (bytes: Uint8Array): number => {
  let crc = 0x1d0f;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
};

export const withCrc = (body: Uint8Array): Uint8Array => {
  const crc = crcOf(body);
  return Uint8Array.from([...body, crc & 0xff, crc >> 8]);
};

/** A frame by hand: `security` and `mac` as they stand on the line. */
export function frameBytes(parts: {
  address: number;
  control: number;
  security?: readonly number[];
  id: number;
  data?: Uint8Array;
  macOf?: (covered: Uint8Array) => Uint8Array;
}): Uint8Array {
  const { security = [], data = new Uint8Array(), macOf } = parts;
  const length = 6 + security.length + data.length + (macOf ? 4 : 0) + 2;
  const control = parts.control | 0x04 | (security.length > 0 ? 0x08 : 0);
  const covered = Uint8Array.from([
    0x53,
    parts.address,
    length & 0xff,
    length >> 8,
    control,
    ...security,
    parts.id,
    ...data,
  ]);
  const body = Uint8Array.from([...covered, ...(macOf ? macOf(covered).subarray(0, 4) : [])]);
  return withCrc(body);
}

const ecb = (key: Uint8Array, block: Uint8Array): Uint8Array => {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return Uint8Array.from(Buffer.concat([cipher.update(block), cipher.final()]));
};
const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, index) => byte ^ b[index]!);
const pad = (bytes: Uint8Array): Uint8Array => {
  const padded = new Uint8Array((Math.floor(bytes.length / 16) + 1) * 16);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  return padded;
};
const inverse = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => 255 - byte);
const cat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

export const factoryKey = bytesOf('303132333435363738393a3b3c3d3e3f');
const noData = new Uint8Array();

interface Session {
  enc: Uint8Array;
  mac1: Uint8Array;
  mac2: Uint8Array;
  panelRandom: Uint8Array;
  readerRandom: Uint8Array;
  /** The panel's and the reader's last MAC. */
  commandMac: Uint8Array;
  replyMac: Uint8Array;
  isOpen: boolean;
}

function chainedMac(session: Session, iv: Uint8Array, bytes: Uint8Array): Uint8Array {
  const blocks = bytes.length % 16 === 0 ? bytes : pad(bytes);
  let chain = iv;
  for (let at = 0; at < blocks.length; at += 16)
    chain = ecb(
      at + 16 < blocks.length ? session.mac1 : session.mac2,
      xor(chain, blocks.subarray(at, at + 16)),
    );
  return chain;
}

/** Encrypts with single blocks, so that a mistake in the driver's use of CBC cannot be made here too. */
function encrypt(session: Session, iv: Uint8Array, data: Uint8Array): Uint8Array {
  const blocks = pad(data);
  let chain = inverse(iv);
  const out: number[] = [];
  for (let at = 0; at < blocks.length; at += 16) {
    chain = ecb(session.enc, xor(chain, blocks.subarray(at, at + 16)));
    out.push(...chain);
  }
  return Uint8Array.from(out);
}

/** Data of a command without its padding. */
function decrypt(session: Session, iv: Uint8Array, data: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-128-ecb', session.enc, null).setAutoPadding(false);
  const blocks = Uint8Array.from(Buffer.concat([decipher.update(data), decipher.final()]));
  const plain = xor(blocks, cat(inverse(iv), data.subarray(0, data.length - 16)));
  return plain.slice(0, plain.lastIndexOf(0x80));
}

export interface SeenCommand {
  readonly atMs: number;
  readonly id: number;
  readonly sequence: number;
  readonly security: number | null;
  /** Decrypted. */
  readonly data: string;
  readonly bytes: string;
}

/** A reader by hand from the spec page, as good as these tests need it and no better. */
export class ScriptedReader {
  key: Uint8Array = factoryKey;
  isOnFactoryKey = true;
  capabilities: Uint8Array = new Uint8Array();
  isMute = false;
  /** The security block of sealed answers whose data is not encrypted; null: all is encrypted. */
  openBlock: 0x15 | 0x16 | null = null;
  /** The block of sealed answers without data. */
  emptyBlock: 0x16 | 0x18 = 0x16;
  delayMs = 3;
  /** What the next polls give. */
  readonly pending: { id: number; data: Uint8Array }[] = [];
  readonly seen: SeenCommand[] = [];
  /** Looks at a reply before it goes out: other bytes, or null for nothing. */
  onReply: (reply: Uint8Array, command: SeenCommand) => Uint8Array | null = (reply) => reply;
  /** Answers instead of the reader; undefined = the reader answers. */
  instead: (command: SeenCommand) => { id: number; data: Uint8Array } | 'busy' | undefined = () => undefined;
  address: number;
  /** Repeats of an answer that was asked for again. */
  repeats = 0;
  #session: Session | null = null;
  #sequence: number | null = null;
  #lastCommand = '';
  #lastReply: Uint8Array | null = null;
  #random = 0xa0;

  constructor(address: number) {
    this.address = address;
  }

  ids(): string {
    return this.seen.map((each) => each.id.toString(16)).join(' ');
  }

  /** Forgets everything but its key. */
  powerCycle(): void {
    this.#session = null;
    this.#sequence = null;
    this.#lastCommand = '';
  }

  answer(line: Uint8Array, atMs: number): Uint8Array | null {
    const bytes = line[0] === 0xff ? line.slice(1) : line;
    const hasCrc = (bytes[4]! & 4) !== 0;
    if (this.isMute || bytes[1] !== this.address || !hasCrc) return null;
    const end = bytes.length - 2;
    if (crcOf(bytes.subarray(0, end)) !== bytes[end]! + bytes[end + 1]! * 256)
      throw new Error('CRC of a command');
    if (bytes[2]! + bytes[3]! * 256 !== bytes.length) throw new Error('length of a command');
    const sequence = bytes[4]! & 3;
    const hasSecurity = (bytes[4]! & 8) !== 0;
    const idAt = hasSecurity ? 5 + bytes[5]! : 5;
    const security = hasSecurity ? bytes[6]! : null;
    const hex = hexOf(bytes);
    if (hex === this.#lastCommand && sequence !== 0) {
      this.repeats += 1;
      const { data, id } = this.seen.at(-1)!;
      this.seen.push({ atMs, id, sequence, security, data, bytes: hex });
      return this.#out(this.#lastReply);
    }
    if (sequence === 0) this.#session = null;
    const isExpected = sequence === 0 || (this.#sequence !== null && sequence === (this.#sequence % 3) + 1);
    const isSecured = security !== null && security >= 0x15;
    let data: Uint8Array = bytes.slice(idAt + 1, isSecured ? end - 4 : end);
    const session = this.#session;
    const note = (plain: Uint8Array): void => {
      this.seen.push({ atMs, id: bytes[idAt]!, sequence, security, data: hexOf(plain), bytes: hex });
    };
    if (!isExpected) {
      note(data);
      return this.#plain(sequence, 0x41, Uint8Array.of(4));
    }
    if (isSecured !== (session?.isOpen ?? false)) {
      note(data);
      return this.#plain(sequence, 0x41, Uint8Array.of(6));
    }
    if (isSecured && session !== null) {
      const mac = chainedMac(session, session.replyMac, bytes.subarray(0, end - 4));
      if (hexOf(mac.subarray(0, 4)) !== hexOf(bytes.subarray(end - 4, end)))
        throw new Error('MAC of a command');
      if (data.length > 0) data = decrypt(session, session.replyMac, data);
      session.commandMac = mac;
    }
    note(data);
    const instead = this.instead(this.seen.at(-1)!);
    if (instead === 'busy')
      return this.#out(frameBytes({ address: this.address | 0x80, control: 0, id: 0x79 }));
    this.#sequence = sequence;
    this.#lastCommand = hex;
    if (instead !== undefined) return this.#reply(sequence, instead.id, instead.data);
    return this.#answerKnown(sequence, bytes[idAt]!, data, bytes[7] ?? 0);
  }

  #answerKnown(sequence: number, id: number, data: Uint8Array, ownKey: number): Uint8Array | null {
    const event = id === 0x60 ? this.pending.shift() : undefined;
    if (event !== undefined) return this.#reply(sequence, event.id, event.data);
    if (id === 0x61) return this.#plain(sequence, 0x45, bytesOf('5c2623 01 02 39300000 010203'));
    if (id === 0x62) return this.#plain(sequence, 0x46, this.capabilities);
    if (id === 0x64) return this.#reply(sequence, 0x48, Uint8Array.of(0, 0));
    if (id === 0x6e) return this.#reply(sequence, 0x54, data);
    if (id === 0x76) return this.#challenged(sequence, data, ownKey === 1);
    if (id === 0x77) return this.#proved(sequence, data);
    if (id === 0x75) {
      this.key = data.slice(2);
      this.isOnFactoryKey = false;
    }
    return this.#reply(sequence, 0x40, noData);
  }

  #challenged(sequence: number, panelRandom: Uint8Array, ownKey: boolean): Uint8Array | null {
    if (ownKey === this.isOnFactoryKey) return this.#plain(sequence, 0x41, Uint8Array.of(6));
    const key = ownKey ? this.key : factoryKey;
    this.#random += 8;
    const readerRandom = Uint8Array.from({ length: 8 }, (_, index) => (this.#random + index) & 255);
    const derive = (first: number, second: number): Uint8Array =>
      ecb(key, cat(Uint8Array.of(first, second), panelRandom.subarray(0, 6), new Uint8Array(8)));
    const enc = derive(1, 0x82);
    this.#session = {
      enc,
      mac1: derive(1, 1),
      mac2: derive(1, 2),
      panelRandom,
      readerRandom,
      commandMac: noData,
      replyMac: noData,
      isOpen: false,
    };
    const proof = ecb(enc, cat(panelRandom, readerRandom));
    const body = cat(bytesOf('0011223344556677'), readerRandom, proof);
    return this.#plain(sequence, 0x76, body, [3, 0x12, ownKey ? 1 : 0]);
  }

  #proved(sequence: number, cryptogram: Uint8Array): Uint8Array | null {
    const session = this.#session;
    if (session === null) return this.#plain(sequence, 0x41, Uint8Array.of(6));
    const expected = ecb(session.enc, cat(session.readerRandom, session.panelRandom));
    if (hexOf(expected) !== hexOf(cryptogram)) return this.#plain(sequence, 0x41, Uint8Array.of(6));
    session.replyMac = ecb(session.mac2, ecb(session.mac1, cryptogram));
    session.isOpen = true;
    return this.#plain(sequence, 0x78, session.replyMac, [3, 0x14, 1]);
  }

  #reply(sequence: number, id: number, data: Uint8Array): Uint8Array | null {
    const session = this.#session;
    if (session === null || !session.isOpen) return this.#plain(sequence, id, data);
    const hasData = data.length > 0;
    const isEncrypted = hasData && this.openBlock === null;
    const bytes = frameBytes({
      address: this.address | 0x80,
      control: sequence,
      security: [2, hasData ? (this.openBlock ?? 0x18) : this.emptyBlock],
      id,
      data: isEncrypted ? encrypt(session, session.commandMac, data) : data,
      macOf: (covered) => {
        session.replyMac = chainedMac(session, session.commandMac, covered);
        return session.replyMac;
      },
    });
    return this.#out(bytes);
  }

  #plain(sequence: number, id: number, data: Uint8Array, security: number[] = []): Uint8Array | null {
    return this.#out(frameBytes({ address: this.address | 0x80, control: sequence, security, id, data }));
  }

  #out(reply: Uint8Array | null): Uint8Array | null {
    this.#lastReply = reply;
    return reply === null ? null : this.onReply(reply, this.seen.at(-1)!);
  }
}

export interface Sent {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

export interface BusRig {
  readonly bus: OsdpBus;
  readonly clock: VirtualClock;
  readonly reads: { readerKey: string; read: CardRead; atMs: number }[];
  readonly keys: { readerKey: string; keys: string }[];
  readonly faults: ReaderFault[];
  readonly pendingKeys: { key: string; stored: () => void }[];
  readonly keysSet: string[];
  readonly keysRefused: string[];
  readonly moves: { address: number; baudRate: number }[];
  readonly sent: Sent[];
  readonly baudRates: number[];
  readonly line: SerialLine;
  /** Times of state changes as hooks saw them. */
  readonly changes: string[];
  readonly link: (readerKey?: string) => string;
  readonly problem: (readerKey?: string) => string | null;
}

/** The new keys that the rig gives out: 16 times 01, 16 times 02 .. */
export const newKeyHex = (nth: number): string => nth.toString(16).padStart(2, '0').repeat(16);

/** A bus on virtual time with scripted readers on its line. Pending keys are stored at once unless `storesKeys` is off. */
export function busRig(
  readers: readonly ScriptedReader[],
  options: { readers: OsdpReaderOptions[]; storesKeys?: boolean } & Partial<OsdpBusOptions>,
): BusRig {
  const { storesKeys = true, ...busOptions } = options;
  const clock = new VirtualClock();
  let keysMade = 0;
  let randoms = 0;
  const reads: BusRig['reads'] = [];
  const keys: BusRig['keys'] = [];
  const faults: ReaderFault[] = [];
  const pendingKeys: BusRig['pendingKeys'] = [];
  const keysSet: string[] = [];
  const keysRefused: string[] = [];
  const moves: BusRig['moves'] = [];
  const sent: Sent[] = [];
  const baudRates: number[] = [];
  const changes: string[] = [];
  const hooks: OsdpHooks = {
    onRead: (read) => reads.push({ ...read, atMs: clock.now() }),
    onKeys: (pressed) => keys.push(pressed),
    onFault: (fault) => faults.push(fault),
    onChange: (readerKey) => {
      const state = bus.report().find((each) => each.readerKey === readerKey)!;
      changes.push(`${readerKey} ${state.link} ${state.problem}`);
    },
    newKey: () => {
      keysMade += 1;
      return bytesOf(newKeyHex(keysMade));
    },
    onKeyPending: (_, key, stored) => {
      pendingKeys.push({ key: hexOf(key), stored });
      if (storesKeys) stored();
    },
    onKeyRefused: (readerKey) => keysRefused.push(readerKey),
    onKeySet: (_, key) => keysSet.push(hexOf(key)),
    onCommunication: (_, address, baudRate) => moves.push({ address, baudRate }),
  };
  const bus: OsdpBus = new OsdpBus({
    baudRate: 9600,
    clock,
    hooks,
    random: (bytes) => {
      randoms += 1;
      return Uint8Array.from({ length: bytes }, (_, index) => (randoms * 16 + index) & 255);
    },
    ...busOptions,
  });
  const line: SerialLine = {
    write(bytes) {
      sent.push({ atMs: clock.now(), bytes });
      const wireMs = (bytes.length * 10_000) / 9600;
      for (const reader of readers) {
        const reply = reader.answer(bytes, clock.now());
        if (reply === null) continue;
        clock.later(wireMs + reader.delayMs + (reply.length * 10_000) / 9600, () => {
          bus.onBytes(reply);
        });
      }
    },
    setBaudRate: (baudRate) => baudRates.push(baudRate),
  };
  const stateOf = (readerKey: string | undefined) =>
    bus.report().find((each) => readerKey === undefined || each.readerKey === readerKey)!;
  return {
    bus,
    clock,
    reads,
    keys,
    faults,
    pendingKeys,
    keysSet,
    keysRefused,
    moves,
    sent,
    baudRates,
    line,
    changes,
    link: (readerKey) => stateOf(readerKey).link,
    problem: (readerKey) => stateOf(readerKey).problem,
  };
}

export const ownKey = bytesOf('000102030405060708090a0b0c0d0e0f');
/** H10301, facility 123, card 4567, as RAW data of reader 0: left-justified. */
export const w26Card = { id: 0x50, data: bytesOf('00 01 1a00 bd88eb80') };
export const w26Read = { reading: 'w26', bits: 26, hex: '2f623ae' };

/** One paired reader at address 0 that is online, and its bus. */
export function onlineRig(
  options: Partial<Parameters<typeof busRig>[1]> = {},
): BusRig & { reader: ScriptedReader } {
  const reader = new ScriptedReader(0);
  reader.key = ownKey;
  reader.isOnFactoryKey = false;
  const rig = busRig([reader], {
    readers: [{ readerKey: 'front', address: 0, secureChannel: 'required', key: ownKey }],
    ...options,
  });
  rig.bus.onOpen(rig.line);
  rig.clock.advance(1000);
  return { ...rig, reader };
}

/** A scripted reader with a key of its own. */
export const pairedReader = (address: number, key = ownKey): ScriptedReader => {
  const reader = new ScriptedReader(address);
  reader.key = key;
  reader.isOnFactoryKey = false;
  return reader;
};
/** Options of a reader that requires the secure channel. */
export const required = (readerKey: string, address: number, key: Uint8Array | null = ownKey) =>
  ({ readerKey, address, secureChannel: 'required', key }) as const;
export const since = (reader: ScriptedReader, atMs: number, id: number) =>
  reader.seen.filter((each) => each.atMs >= atMs && each.id === id);
