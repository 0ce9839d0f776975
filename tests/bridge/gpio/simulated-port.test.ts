import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openFakePort } from '#bridge/gpio/fake-port.ts';
import { sendToPanel } from '#bridge/gpio/panel-client.ts';
import { outputRecordBytes, simPaths } from '#bridge/gpio/sim-state.ts';
import { encodeLineEvent } from '#bridge/gpio/uapi.ts';
import type { GpioLines, GpioPort, ReaderFault, ReaderHooks, ReaderRead } from '#bridge/ports.ts';
import { wiegandDriver } from '#bridge/readers/wiegand/driver.ts';
import { wiegand, wiegandConfigSchema } from '#bridge/readers/wiegand/kind.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import { decodeOutputRecord } from '#tests/_support/gpio/output-record.ts';
import {
  contactLine,
  dispatch,
  makeSimDir,
  outputLine,
  recordPort,
  removeSimDir,
  SimulatorProcess,
} from './simulation.ts';

const reader = wiegandConfigSchema.parse({ kind: 'wiegand', d0: 5, d1: 6 });
const contact = 7;
const strike = 20;
const lock = 21;
const lines: GpioLines = {
  data: wiegand.dataLines(reader).map(({ line }) => line),
  inputs: [contactLine(contact)],
  outputs: [outputLine(strike, 0), outputLine(lock, 1)],
};
const cardBits = [...hexToBits('2f623ae', 26)].join('');
const tap = { bits: cardBits, d0: 5, d1: 6 };

let dir = '';
let simulator: SimulatorProcess | null = null;
let port: GpioPort | null = null;
beforeEach(() => {
  dir = makeSimDir();
});
afterEach(async () => {
  await stop();
  removeSimDir(dir);
});

async function stop(): Promise<void> {
  await port?.close();
  port = null;
  await simulator?.stop();
  simulator = null;
}

/** Opens port and simulator, and a reader on the port's data lines. */
async function start() {
  port = await openFakePort(dir, lines);
  const seen = recordPort(port);
  const reads: ReaderRead[] = [];
  const faults: ReaderFault[] = [];
  const hooks: ReaderHooks = {
    onRead: (read) => reads.push(read),
    onKeys: () => undefined,
    onFault: (fault) => faults.push(fault),
    onFinding: () => undefined,
  };
  const driver = wiegandDriver('front', reader, hooks);
  const { onEdges, onSettled } = port;
  port.onEdges = (edges, lost) => {
    driver.onEdges(edges, lost);
    onEdges(edges, lost);
  };
  port.onSettled = (untilNs) => {
    driver.onSettled(untilNs);
    onSettled(untilNs);
  };
  simulator = await SimulatorProcess.start(dir);
  return { port, seen, reads, faults };
}

const blockThread = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

test('a card that another process taps is read, with the kernel time of its last bit', async () => {
  const { seen, reads } = await start();
  const lastEdgeNs = await sendToPanel(dir, { tap });
  await seen.until(() => reads.length === 1);
  expect(reads).toEqual([
    { readerKey: 'front', read: { reading: 'w26', bits: 26, hex: '2f623ae' }, lastBitNs: lastEdgeNs },
  ]);
  expect(seen.edges).toHaveLength(26);
  expect(seen.lost()).toBe(0);
});

test('each batch settles the time of its last edge, and silence of 25 to 30 ms is told after it', async () => {
  const { seen } = await start();
  const lastEdgeNs = await sendToPanel(dir, { tap });
  await seen.until(() => seen.settled.some((ns) => ns - lastEdgeNs! >= 30_000_000n));
  const since = seen.settled.filter((ns) => ns >= lastEdgeNs!);
  expect(since[0]).toBe(lastEdgeNs);
  // The second waits for 25 ms, so that a reader that needs no more is not kept waiting for the longest.
  expect(since[1]! - lastEdgeNs!).toBeGreaterThanOrEqual(25_000_000n);
  expect(since).toEqual([...since].sort((one, other) => Number(one - other)));
});

test('a door thread that stalls for 600 ms in the middle of a frame loses no bit and does not cut it', async () => {
  for (;;) {
    const { seen, reads, faults } = await start();
    const { answered } = await dispatch(dir, { tap: { ...tap, bitIntervalUs: 10_000, realTime: true } });
    const stalledAtNs = process.hrtime.bigint();
    blockThread(600);
    const stalledUntilNs = process.hrtime.bigint();
    expect(seen.edges).toEqual([]);
    const answer = await answered;
    if (answer.ok) {
      await seen.until(() => seen.edges.length === 26 && reads.length + faults.length > 0);
      expect(seen.lost()).toBe(0);
      expect(faults).toEqual([]);
      expect(reads).toMatchObject([{ read: { reading: 'w26', hex: '2f623ae' } }]);
      if (seen.edges[0]!.timestampNs > stalledAtNs && seen.edges.at(-1)!.timestampNs < stalledUntilNs) return;
    } else expect(answer.code).toBe('panelLate');
    // A machine so busy that the other process did not keep its own time: all of it once more.
    await stop();
  }
});

test('a stall over the end of one frame and the whole of the next delivers both', async () => {
  const { seen, reads } = await start();
  const first = await dispatch(dir, { tap });
  const second = await dispatch(dir, { tap });
  blockThread(600);
  await seen.until(() => reads.length === 2);
  expect((await first.answered).ok && (await second.answered).ok).toBe(true);
  expect(seen.edges).toHaveLength(52);
});

test('a contact has its level before its edge, and a restarted port reads it', async () => {
  const { port: opened, seen } = await start();
  expect(opened.read(contact)).toBe(0);
  await sendToPanel(dir, { line: { offset: contact, level: 1 } });
  await seen.until(() => seen.edges.length === 1);
  expect(seen.edges[0]).toMatchObject({ offset: contact, rising: true });
  expect(opened.read(contact)).toBe(1);
  expect(await sendToPanel(dir, { line: { offset: contact, level: 1 } })).toBeNull();

  await opened.close();
  expect(await sendToPanel(dir, { line: { offset: contact, level: 0 } })).toBeNull();
  port = await openFakePort(dir, lines);
  expect(port.read(contact)).toBe(0);
});

test('outputs are at their safe level from the start, follow writes, and are safe again after close', async () => {
  const levelsOf = (): number[] => [...readFileSync(simPaths(dir).lines).subarray(strike, lock + 1)];
  const { port: opened } = await start();
  expect(levelsOf()).toEqual([0, 1]);
  opened.write(strike, 1);
  opened.write(lock, 0);
  expect(levelsOf()).toEqual([1, 0]);
  expect([opened.read(strike), opened.read(lock)]).toEqual([1, 0]);
  await opened.close();
  port = null;
  expect(levelsOf()).toEqual([0, 1]);
});

test('whoever reads outputs.fifo gets a record of each write; without a reader it is dropped', async () => {
  const { port: opened } = await start();
  opened.write(strike, 1);
  const fd = openSync(simPaths(dir).outputs, constants.O_RDONLY | constants.O_NONBLOCK);
  const beforeNs = process.hrtime.bigint();
  opened.write(strike, 0);
  opened.write(lock, 0);
  const bytes = Buffer.alloc(1024);
  expect(readSync(fd, bytes)).toBe(2 * outputRecordBytes);
  const records = [decodeOutputRecord(bytes), decodeOutputRecord(bytes, outputRecordBytes)];
  expect(records).toMatchObject([
    { offset: strike, level: 0 },
    { offset: lock, level: 0 },
  ]);
  expect(records[0]!.timestampNs).toBeGreaterThanOrEqual(beforeNs);
  expect(records[1]!.timestampNs).toBeLessThanOrEqual(process.hrtime.bigint());
  closeSync(fd);
  opened.write(strike, 1);
  expect(opened.read(strike)).toBe(1);
});

test('a line that was not requested can neither be read nor written', async () => {
  const { port: opened } = await start();
  expect(() => opened.read(40)).toThrow('line 40 was not requested');
  expect(() => opened.write(contact, 1)).toThrow('line 7 was not requested as an output');
});

test('records that arrive in pieces are put together', async () => {
  port = await openFakePort(dir, lines);
  const seen = recordPort(port);
  const fd = openSync(simPaths(dir).events, constants.O_WRONLY);
  const record = (seqno: number): Buffer =>
    encodeLineEvent({ timestampNs: BigInt(seqno), rising: false, offset: 5, seqno, lineSeqno: seqno });
  const bytes = Buffer.concat([record(1), record(2), record(3)]);
  writeSync(fd, bytes.subarray(0, 20));
  writeSync(fd, bytes.subarray(20, 100));
  await seen.until(() => seen.edges.length === 2);
  writeSync(fd, bytes.subarray(100));
  await seen.until(() => seen.edges.length === 3);
  closeSync(fd);
  expect(seen.edges.map((edge) => edge.seqno)).toEqual([1, 2, 3]);
});

test('edges that the kernel lost are counted, and the frame they belong to is no card', async () => {
  port = await openFakePort(dir, lines);
  const seen = recordPort(port);
  const fd = openSync(simPaths(dir).events, constants.O_WRONLY);
  for (const seqno of [1, 2, 3, 6, 7]) {
    const timestampNs = process.hrtime.bigint();
    writeSync(fd, encodeLineEvent({ timestampNs, rising: false, offset: 5, seqno, lineSeqno: seqno }));
  }
  await seen.until(() => seen.edges.length === 5);
  closeSync(fd);
  expect(seen.lost()).toBe(2);
});

test('a stream of something else than records is a fault of the port, once', async () => {
  port = await openFakePort(dir, lines);
  const seen = recordPort(port);
  const fd = openSync(simPaths(dir).events, constants.O_WRONLY);
  writeSync(fd, Buffer.alloc(96, 0xee));
  await seen.until(() => seen.faults.length > 0);
  closeSync(fd);
  expect(seen.faults).toMatchObject([{ code: 'gpioGone' }]);
  expect(seen.edges).toEqual([]);
});

test('what was tapped while no port was there opens nothing later', async () => {
  const first = await start();
  await first.port.close();
  port = null;
  await expect(sendToPanel(dir, { tap })).rejects.toMatchObject({ code: 'panelNoListener' });
  port = await openFakePort(dir, lines);
  const seen = recordPort(port);
  const lastEdgeNs = await sendToPanel(dir, { tap });
  await seen.until(() => seen.edges.at(-1)?.timestampNs === lastEdgeNs);
  expect(seen.edges).toHaveLength(26);
});

test('lines that are configured twice, or do not exist, are refused by name', async () => {
  const twice = { ...lines, outputs: [outputLine(5, 0)] };
  await expect(openFakePort(dir, twice)).rejects.toThrow('GPIO line 5 is configured twice');
  const unknown = { ...lines, outputs: [outputLine(64, 0)] };
  await expect(openFakePort(dir, unknown)).rejects.toThrow('no GPIO line 64 here, only 0 to 63');
});
