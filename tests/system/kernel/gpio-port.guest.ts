// Runs inside the test kernel (see gpio-port.test.ts): the port as the bridge opens it, a reader on its data lines.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { openGpioPort } from '#bridge/gpio/port.ts';
import type { GpioEdge, GpioLines, ReaderFault, ReaderRead } from '#bridge/ports.ts';
import { wiegandDriver } from '#bridge/readers/wiegand/driver.ts';
import { wiegand, wiegandConfigSchema } from '#bridge/readers/wiegand/kind.ts';
import { simChipLabel, simPull, simValue } from '#tests/system/kernel/uml.ts';

const front = wiegandConfigSchema.parse({ kind: 'wiegand', d0: 4, d1: 5 });
const back = wiegandConfigSchema.parse({ kind: 'wiegand', d0: 6, d1: 7 });
const contact = 8;
const strike = 9;
const magnet = 10;
const lines: GpioLines = {
  data: [
    ...wiegand.dataLines(front).map(({ line }) => line),
    ...wiegand.dataLines(back).map(({ line }) => line),
  ],
  inputs: [{ offset: contact, activeLow: true, bias: 'pullUp', edges: 'both', debounceMicros: 0 }],
  outputs: [
    { offset: strike, activeLow: false, safeLevel: 0 },
    { offset: magnet, activeLow: true, safeLevel: 1 },
  ],
};
// H10301, facility 123, number 4567; N10002, 1234/56789.
const bits26 = '10111101100010001110101110';
const bits34 = '1000001001101001011011101110101010';

for (const offset of [4, 5, 6, 7, contact]) simPull(offset, 'pull-up');

/** Plays a frame from this very thread, which is stalled for all of it: a pulse takes some 11 ms here. */
function playStalled(bits: string, reader: { d0: number; d1: number }): void {
  for (const bit of bits) {
    const offset = bit === '1' ? reader.d1 : reader.d0;
    simPull(offset, 'pull-down');
    simPull(offset, 'pull-up');
  }
}

async function openPort() {
  const log = { info: () => undefined, warn: () => undefined };
  const deps = { simulationDir: '/tmp/unused', log };
  return openGpioPort({ port: 'auto', chipLabel: simChipLabel, allowSimulation: false }, lines, deps);
}

await test('outputs are safe from the request on, cards of two readers are read through a stall, contacts are seen', async () => {
  const port = await openPort();
  assert.equal(port.kind, 'cdev');
  assert.deepEqual([simValue(strike), simValue(magnet)], [0, 0]);

  const reads: ReaderRead[] = [];
  const faults: ReaderFault[] = [];
  const edges: GpioEdge[] = [];
  let lostEdges = 0;
  const arrived = new EventTarget();
  const hooks = {
    onRead: (read: ReaderRead) => {
      reads.push(read);
      if (reads.length === 2) arrived.dispatchEvent(new Event('reads'));
    },
    onFault: (fault: ReaderFault) => faults.push(fault),
    onKeys: () => undefined,
    onFinding: () => undefined,
  };
  const drivers = [wiegandDriver('front', front, hooks), wiegandDriver('back', back, hooks)];
  port.onEdges = (batch, lost) => {
    for (const driver of drivers) driver.onEdges(batch, lost);
    edges.push(...batch);
    lostEdges += lost;
    if (batch.some((edge) => edge.offset === contact)) arrived.dispatchEvent(new Event('contact'));
  };
  port.onSettled = (untilNs) => {
    for (const driver of drivers) driver.onSettled(untilNs);
  };

  const bothRead = once(arrived, 'reads');
  const stalledAtNs = process.hrtime.bigint();
  playStalled(bits26, front);
  playStalled(bits34, back);
  const stalledUntilNs = process.hrtime.bigint();
  assert.equal(edges.length, 0);
  await bothRead;
  assert.equal(lostEdges, 0);
  assert.deepEqual(faults, []);
  assert.deepEqual(
    reads.map(({ readerKey, read }) => [readerKey, read.reading, read.hex]),
    [
      ['front', 'w26', '2f623ae'],
      ['back', 'w34', '209a5bbaa'],
    ],
  );
  assert.ok(edges.every((edge) => edge.timestampNs > stalledAtNs && edge.timestampNs < stalledUntilNs));
  console.log(`stalled for ${(stalledUntilNs - stalledAtNs) / 1_000_000n} ms, ${edges.length} edges`);

  assert.equal(port.read(contact), 0);
  const contactSeen = once(arrived, 'contact');
  simPull(contact, 'pull-down');
  await contactSeen;
  assert.equal(port.read(contact), 1);
  assert.equal(edges.at(-1)?.rising, true);

  port.write(strike, 1);
  port.write(magnet, 0);
  assert.deepEqual([simValue(strike), simValue(magnet)], [1, 1]);
  await port.close();
  assert.deepEqual([simValue(strike), simValue(magnet)], [0, 0]);
});

await test('a closed port gives its lines back', async () => {
  const port = await openPort();
  await assert.rejects(openPort(), { code: 'gpioLineBusy' });
  await port.close();
  await (await openPort()).close();
});
