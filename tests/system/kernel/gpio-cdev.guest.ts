// Runs inside the test kernel (see gpio-cdev.test.ts), against the simulated chip that uml-init.sh makes.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  closeChip,
  closeLines,
  getValues,
  openChip,
  readLineInfo,
  requestLines,
  setValues,
} from '#bridge/gpio/cdev.ts';
import type { LineEvent, WantedLines } from '#bridge/gpio/uapi.ts';
import { decodeLineEvents, lineFlags, sizes } from '#bridge/gpio/uapi.ts';
import { pollAndRead } from '#tests/_support/gpio/poll-and-read.ts';
import { simChipLabel, simChipPath, simLineCount, simPull, simValue } from '#tests/system/kernel/uml.ts';

const data = { activeLow: false, bias: 'pullUp', edges: 'falling', debounceMicros: 0 } as const;
const buffer = Buffer.alloc(sizes.event * 1024);

function want(lines: Partial<WantedLines>): WantedLines {
  return { inputs: [], outputs: [], consumer: 'guest-test', eventBufferSize: 1024, ...lines };
}

/** All events until `quietMs` pass without one, in the order read. */
function drain(fd: number, quietMs = 50): LineEvent[] {
  const events: LineEvent[] = [];
  for (;;) {
    const count = pollAndRead(fd, quietMs, buffer);
    assert.notEqual(count, 'closed');
    if (count === 0 || count === 'closed') return events;
    events.push(...decodeLineEvents(buffer, count));
  }
}

function pulse(offset: number): void {
  simPull(offset, 'pull-down');
  simPull(offset, 'pull-up');
}

function faultOf(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error);
    return { code: String(error.code), message: error.message };
  }
  return assert.fail('no fault');
}

/** node:test runs them one after another, in this order. */
function check(sentence: string, body: () => void | Promise<void>): void {
  void test(sentence, body);
}

check('the chip is found by its label', () => {
  const chip = openChip(simChipLabel);
  assert.equal(chip.path, simChipPath());
  assert.equal(chip.lines, simLineCount);
  closeChip(chip);
});

check('a wrong label names the labels that there are', () => {
  const fault = faultOf(() => openChip('pinctrl-rp1'));
  assert.equal(fault.code, 'gpioChipMissing');
  assert.match(fault.message, /'pinctrl-rp1'.*this machine has: hubsim/);
});

check('falling edges of two lines of one request share one sequence', () => {
  const chip = openChip(simChipLabel);
  for (const offset of [4, 5]) simPull(offset, 'pull-up');
  const lines = requestLines(chip, want({ inputs: [4, 5].map((offset) => ({ ...data, offset })) }));
  closeChip(chip);
  const sent = [4, 5, 5, 4, 5, 4, 4, 4, 5];
  for (const offset of sent) pulse(offset);
  const events = drain(lines.fd).toSorted((a, b) => a.seqno - b.seqno);
  assert.deepEqual(
    events.map((event) => event.offset),
    sent,
  );
  assert.deepEqual(
    events.map((event) => event.seqno),
    sent.map((_, index) => index + 1),
  );
  assert.ok(events.every((event) => !event.rising));
  assert.deepEqual(
    events.filter((event) => event.offset === 4).map((event) => event.lineSeqno),
    [1, 2, 3, 4, 5],
  );
  const times = events.map((event) => event.timestampNs);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => (a < b ? -1 : 1)),
  );
  const now = process.hrtime.bigint();
  assert.ok(
    times.every((time) => time < now && now - time < 30_000_000_000n),
    'kernel time is CLOCK_MONOTONIC',
  );
  closeLines(lines);
});

check('a full buffer drops the oldest edges, and the gap shows in the sequence', () => {
  const chip = openChip(simChipLabel);
  simPull(4, 'pull-up');
  const lines = requestLines(chip, want({ inputs: [{ ...data, offset: 4 }], eventBufferSize: 32 }));
  for (let count = 0; count < 40; count += 1) pulse(4);
  const events = drain(lines.fd);
  assert.deepEqual(
    events.map((event) => event.seqno),
    Array.from({ length: 32 }, (_, index) => index + 9),
  );
  closeLines(lines);
  closeChip(chip);
});

check('contacts report both edges, in logical levels under active-low', () => {
  const chip = openChip(simChipLabel);
  simPull(6, 'pull-up');
  const lines = requestLines(
    chip,
    want({ inputs: [{ offset: 6, activeLow: true, bias: 'pullUp', edges: 'both', debounceMicros: 0 }] }),
  );
  assert.deepEqual(getValues(lines, [6]), [0]);
  simPull(6, 'pull-down');
  assert.deepEqual(getValues(lines, [6]), [1]);
  simPull(6, 'pull-up');
  assert.deepEqual(
    drain(lines.fd).map((event) => event.rising),
    [true, false],
  );
  closeLines(lines);
  closeChip(chip);
});

check('falling under active-low is the rise of the voltage', () => {
  const chip = openChip(simChipLabel);
  simPull(7, 'pull-up');
  const lines = requestLines(chip, want({ inputs: [{ ...data, offset: 7, activeLow: true }] }));
  simPull(7, 'pull-down');
  assert.deepEqual(drain(lines.fd), []);
  simPull(7, 'pull-up');
  assert.equal(drain(lines.fd).length, 1);
  closeLines(lines);
  closeChip(chip);
});

check('a bouncing contact with debounce gives one edge', () => {
  const chip = openChip(simChipLabel);
  simPull(8, 'pull-up');
  const lines = requestLines(chip, want({ inputs: [{ ...data, offset: 8, debounceMicros: 20_000 }] }));
  for (let bounce = 0; bounce < 11; bounce += 1) pulse(8);
  simPull(8, 'pull-down');
  assert.equal(drain(lines.fd, 200).length, 1);
  closeLines(lines);
  closeChip(chip);
});

check('inputs, debounce and outputs mix in one request', () => {
  const chip = openChip(simChipLabel);
  simPull(9, 'pull-up');
  simPull(10, 'pull-up');
  const lines = requestLines(
    chip,
    want({
      inputs: [
        { ...data, offset: 9 },
        { offset: 10, activeLow: true, bias: 'none', edges: 'both', debounceMicros: 10_000 },
      ],
      outputs: [
        { offset: 11, activeLow: false, safeLevel: 1 },
        { offset: 12, activeLow: true, safeLevel: 0 },
      ],
    }),
  );
  assert.deepEqual([simValue(11), simValue(12)], [1, 1]);
  pulse(9);
  simPull(10, 'pull-down');
  const events = drain(lines.fd, 100);
  assert.deepEqual(
    events.map((event) => [event.offset, event.rising]),
    [
      [9, false],
      [10, true],
    ],
  );
  closeLines(lines);
  closeChip(chip);
});

check('outputs are at their safe level from the request on, and driven together', () => {
  const chip = openChip(simChipLabel);
  const lines = requestLines(
    chip,
    want({
      outputs: [
        { offset: 16, activeLow: false, safeLevel: 0 },
        { offset: 17, activeLow: false, safeLevel: 1 },
        { offset: 18, activeLow: true, safeLevel: 0 },
      ],
    }),
  );
  const physical = () => [16, 17, 18].map(simValue);
  assert.deepEqual(physical(), [0, 1, 1]);
  setValues(
    lines,
    new Map([
      [16, 1],
      [18, 1],
    ]),
  );
  assert.deepEqual(physical(), [1, 1, 0]);
  assert.deepEqual(getValues(lines, [18, 17, 16]), [1, 1, 1]);
  setValues(lines, new Map([[17, 0]]));
  assert.deepEqual(physical(), [1, 0, 0]);
  assert.equal(faultOf(() => setValues(lines, new Map([[3, 1]]))).code, 'gpioLineUnknown');
  closeLines(lines);
  closeChip(chip);
});

check('driving an input is refused', () => {
  const chip = openChip(simChipLabel);
  const lines = requestLines(chip, want({ inputs: [{ ...data, offset: 4 }] }));
  assert.match(faultOf(() => setValues(lines, new Map([[4, 1]]))).message, /EPERM/);
  closeLines(lines);
  closeChip(chip);
});

check('a line in use is named with its holder, and free again once closed', () => {
  const chip = openChip(simChipLabel);
  const held = requestLines(chip, want({ inputs: [{ ...data, offset: 20 }], consumer: 'other-program' }));
  assert.equal(readLineInfo(chip, 20).consumer, 'other-program');
  assert.notEqual(readLineInfo(chip, 20).flags & lineFlags.used, 0n);
  const both = want({ inputs: [19, 20].map((offset) => ({ ...data, offset })) });
  const fault = faultOf(() => requestLines(chip, both));
  assert.equal(fault.code, 'gpioLineBusy');
  assert.match(fault.message, /line 20 is held by 'other-program'/);
  assert.doesNotMatch(fault.message, /line 19 is held/);
  closeLines(held);
  closeLines(requestLines(chip, both));
  closeChip(chip);
});

check('a line that the chip does not have is named with the range', () => {
  const chip = openChip(simChipLabel);
  const fault = faultOf(() => requestLines(chip, want({ inputs: [{ ...data, offset: 32 }] })));
  assert.equal(fault.code, 'gpioLineUnknown');
  assert.match(fault.message, /'hubsim' has the lines 0 to 31, not 32/);
  closeChip(chip);
});

check('a Worker reads edges while this thread sleeps, reads and drives the same request', async () => {
  const chip = openChip(simChipLabel);
  simPull(24, 'pull-up');
  const lines = requestLines(
    chip,
    want({ inputs: [{ ...data, offset: 24 }], outputs: [{ offset: 25, activeLow: false, safeLevel: 0 }] }),
  );
  const worker = new Worker(new URL('./gpio-cdev.guest-worker.ts', import.meta.url), {
    workerData: lines.fd,
  });
  const all = new Promise<number[]>((resolve, reject) => {
    const seqnos: number[] = [];
    worker.on('error', reject);
    worker.on('message', (batch: number[]) => {
      seqnos.push(...batch);
      if (seqnos.length >= 250) resolve(seqnos);
    });
  });
  for (let count = 0; count < 200; count += 1) {
    pulse(24);
    // The door thread stalls for half a second, as it does for a garbage collection: no edge may be lost.
    if (count === 100) for (let edge = 0; edge < 50; edge += 1) pulse(24);
    setValues(lines, new Map([[25, count % 2 === 0 ? 1 : 0]]));
    assert.deepEqual(getValues(lines, [24, 25]), [1, count % 2 === 0 ? 1 : 0]);
  }
  assert.deepEqual(
    await all,
    Array.from({ length: 250 }, (_, index) => index + 1),
  );
  await worker.terminate();
  closeLines(lines);
  closeChip(chip);
});

// Last: it takes the chip away.
check('a chip that goes away is a fault everywhere', () => {
  const chip = openChip(simChipLabel);
  const lines = requestLines(
    chip,
    want({ inputs: [{ ...data, offset: 4 }], outputs: [{ offset: 5, activeLow: false, safeLevel: 0 }] }),
  );
  writeFileSync('/sys/kernel/config/gpio-sim/hub/live', '0');
  assert.equal(faultOf(() => pollAndRead(lines.fd, 1000, buffer)).code, 'gpioChipGone');
  assert.equal(faultOf(() => getValues(lines, [4])).code, 'gpioChipGone');
  assert.equal(faultOf(() => setValues(lines, new Map([[5, 1]]))).code, 'gpioChipGone');
  assert.equal(faultOf(() => openChip(simChipLabel)).code, 'gpioChipMissing');
});
