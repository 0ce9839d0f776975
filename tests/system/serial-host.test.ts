import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReaderFault } from '#bridge/ports.ts';
import { osdpConfigSchema } from '#bridge/readers/osdp/kind.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { type SerialReaders, startSerial } from '#bridge/serial/host.ts';
import { ReaderKeyFile } from '#bridge/serial/reader-key-file.ts';
import { encodeCard, hexToBits, wiegandFormats } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { createLog } from '#hub/platform/log.ts';
import { BusProcess } from '#tests/_support/osdp/bus-process-client.ts';
import { until } from '#tests/_support/until.ts';

// The serial process as it runs on a box, over a real pseudo terminal, with simulated readers that do not know its code.

const patienceMs = 30_000;
const bridgeKey = randomBytes(32);
const later = (delayMs: number, run: () => void): (() => void) => {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
};

const card = (): CardRead => {
  const format = wiegandFormats.find(({ prefix }) => prefix === 'w26')!;
  const encoded = encodeCard(format, 123, 4567);
  if (!encoded.ok) throw new Error('no card');
  return encoded.value;
};
const bitsOf = ({ hex, bits }: CardRead): string => hexToBits(hex, bits).join('');

let directory = '';
let bus: BusProcess;
let serial: SerialReaders | null = null;
const reads: { readerKey: string; read: CardRead }[] = [];
const keys: string[] = [];
const faults: ReaderFault[] = [];
const paired: string[] = [];
const keysRefused: string[] = [];
const ports: { port: string; problem: string | null }[] = [];
const keyFaults: unknown[] = [];
const log: string[] = [];
let states: readonly SerialReaderState[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'mc-'));
  for (const list of [reads, keys, faults, paired, keysRefused, ports, keyFaults, log]) list.length = 0;
  states = [];
});
afterEach(async () => {
  await serial?.stop();
  serial = null;
  await bus.stop();
  await rm(directory, { recursive: true, force: true });
});

async function startHost(
  readers: readonly { readonly key: string; readonly address: number }[],
  keyFileDirectory = directory,
): Promise<void> {
  serial = startSerial({
    readers: readers.map(({ key, address }) => ({
      key,
      wiring: osdpConfigSchema.parse({ kind: 'osdp', port: bus.link, baudRate: 115_200, address }),
    })),
    keys: await ReaderKeyFile.open(keyFileDirectory, bridgeKey, (fault) => keyFaults.push(fault)),
    later,
    log: createLog({ level: 'info', destination: { write: (text: string) => void log.push(text) } }),
    onRead: (readerKey, read) => reads.push({ readerKey, read }),
    onKeys: (readerKey) => keys.push(readerKey),
    onFault: (fault) => faults.push(fault),
    onPort: (port, problem) => ports.push({ port, problem }),
    onStates: (now) => {
      states = now;
    },
    onPaired: (readerKey) => paired.push(readerKey),
    onKeyRefused: (readerKey) => keysRefused.push(readerKey),
    onKeyFault: (readerKey, error) => keyFaults.push({ readerKey, error }),
  });
}

const stateOf = (readerKey: string): SerialReaderState | undefined =>
  states.find((state) => state.readerKey === readerKey);
const untilState = (readerKey: string, wanted: Partial<SerialReaderState>): Promise<unknown> =>
  until(
    `${readerKey} is ${JSON.stringify(wanted)}, not ${JSON.stringify(stateOf(readerKey))}`,
    () =>
      Object.entries(wanted).every(
        ([name, value]) => stateOf(readerKey)?.[name as keyof SerialReaderState] === value,
      ),
    patienceMs,
  );

const children = (): number[] =>
  spawnSync('pgrep', ['-P', String(process.pid), '-f', 'serial/process'], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line !== '')
    .map(Number);

async function pairFront(): Promise<void> {
  await untilState('front', { link: 'connecting' });
  serial?.pair('front', 60_000);
  await untilState('front', { link: 'online', channel: 'ownKey' });
  await until('the key is kept', () => paired.includes('front'), patienceMs);
}

describe('readers on a serial bus', () => {
  it('gives a reader a key of its own while pairing is open, and reads its cards only then', async () => {
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 3 }] });
    await startHost([{ key: 'front', address: 3 }]);
    await untilState('front', { link: 'connecting' });
    await until('it says why', () => stateOf('front')?.problem?.includes('pairing'), patienceMs);
    await bus.order({ card: { address: 3, bits: bitsOf(card()), format: 1 } });
    await pairFront();
    await bus.order({ card: { address: 3, bits: bitsOf(card()), format: 1 } });
    await until('the card', () => reads.length > 0, patienceMs);
    // The one from before the secure channel may wait in the reader; none is read twice.
    for (const { readerKey, read } of reads)
      expect({ readerKey, read }).toEqual({ readerKey: 'front', read: card() });
    expect(bus.lines.filter((line) => 'violation' in line)).toEqual([]);
    expect([keyFaults, keysRefused]).toEqual([[], []]);
    expect(ports).toEqual([{ port: bus.link, problem: null }]);
    await bus.stop();
    await until('the adapter is pulled', () => ports.length > 1, patienceMs);
    expect(ports.at(-1)?.problem).toContain('is the adapter plugged in?');
  });

  it('keeps the key sealed on the disk, and comes back with it after its process was killed', async () => {
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 0 }] });
    await startHost([{ key: 'front', address: 0 }]);
    await pairFront();
    const keyset = (await bus.line('keyset')) as { keyset: unknown };
    const sealed = await readFile(path.join(directory, 'reader-keys.bin'));
    const stored = (await ReaderKeyFile.open(directory, bridgeKey, () => undefined)).find('front');
    expect(stored).toMatchObject({ pending: null });
    expect(JSON.stringify(keyset)).toContain(Buffer.from(stored.own ?? []).toString('hex'));
    expect(sealed.includes(Buffer.from(stored.own ?? []).toString('hex'))).toBe(false);
    expect(sealed.includes(Buffer.from(stored.own ?? []))).toBe(false);

    serial?.signal('front', { buzzer: 'alarm' });
    await bus.line('buzzer');
    const before = bus.lines.length;
    const [pid] = children();
    expect(pid).toBeGreaterThan(1);
    process.kill(pid!, 'SIGKILL');
    await untilState('front', { link: 'offline' });
    await untilState('front', { link: 'online', channel: 'ownKey' });
    expect(children()).not.toContain(pid);
    // The new process knows what sounded.
    await bus.line('buzzer', () => true, before);
    await bus.order({ card: { address: 0, bits: bitsOf(card()), format: 1 } });
    await until('the card', () => reads.length === 1, patienceMs);
    expect(reads[0]?.read).toEqual(card());
  });

  it('says so when a reader loses its power, and serves the others on', async () => {
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 0 }, { address: 1 }] });
    await startHost([
      { key: 'front', address: 0 },
      { key: 'back', address: 1 },
    ]);
    await untilState('back', { link: 'connecting' });
    serial?.pair('back', 60_000);
    await pairFront();
    await untilState('back', { link: 'online' });
    await bus.order({ power: { address: 1, to: 'off' } });
    await untilState('back', { link: 'offline' });
    await bus.order({ card: { address: 0, bits: bitsOf(card()), format: 1 } });
    await until('the card', () => reads.length === 1, patienceMs);
    await bus.order({ power: { address: 1, to: 'on' } });
    await untilState('back', { link: 'online', channel: 'ownKey' });
  });

  it('shows and sounds at the reader what the door does, and hears its keys and its switch', async () => {
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 0 }] });
    await startHost([{ key: 'front', address: 0 }]);
    await pairFront();
    const from = bus.lines.length;
    serial?.signal('front', { led: 'granted' });
    serial?.signal('front', { buzzer: 'granted' });
    await bus.line('led', (line) => JSON.stringify(line).includes('"temporary"'), from);
    await bus.line('buzzer', () => true, from);
    await bus.order({ keys: { address: 0, keys: '12#' } });
    await until('keys', () => keys.includes('front'), patienceMs);
    await bus.order({ tamper: { address: 0, on: true } });
    await untilState('front', { tamper: true });
    serial?.signal('front', { buzzer: 'alarm' });
    serial?.signal('front', { buzzer: 'silent' });
    serial?.signal('front', { led: 'idle' });
    const last = bus.lines.length;
    await serial?.stop();
    serial = null;
    await bus.line('led', () => true, last);
    await bus.line('buzzer', (line) => JSON.stringify(line).includes('"tone":1'), last);
  });

  it('does not pair a reader whose new key cannot be written down', async () => {
    bus = await BusProcess.start({ baudRate: 115_200, peripherals: [{ address: 0 }] });
    await startHost([{ key: 'front', address: 0 }], path.join(directory, 'not', 'there'));
    await untilState('front', { link: 'connecting' });
    serial?.pair('front', 60_000);
    await until('the fault', () => keyFaults.length > 0, patienceMs);
    expect(bus.lines.filter((line) => 'keyset' in line)).toEqual([]);
    expect(paired).toEqual([]);
  });
});
