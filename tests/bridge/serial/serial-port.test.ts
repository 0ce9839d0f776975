import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SerialClock, SerialLine } from '#bridge/readers/serial-driver.ts';
import { type OpenedSerialLine, openSerialLine, type SerialPortReason } from '#bridge/serial/port.ts';
import { until } from '#tests/_support/until.ts';

// Real pseudo terminals: socat holds both ends, the port under test opens one, the test the other.

/** Pauses of the port pass ten times as fast. */
const clock: SerialClock = {
  now: () => performance.now(),
  later: (delayMs, run) => {
    const timer = setTimeout(run, delayMs / 10);
    return () => clearTimeout(timer);
  },
};

let directory = '';
let port = '';
let farEnd = '';
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'serial-port-'));
  port = join(directory, 'reader');
  farEnd = join(directory, 'far-end');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await rm(directory, { recursive: true });
});

const ended = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(null);
    else child.once('exit', resolve);
  });

interface Cable {
  /** Everything that arrived at the far end, as text. */
  received(): string;
  send(text: string): void;
  unplug(): Promise<void>;
}

/** A pair of pseudo terminals; unplugged they are gone with their links. */
async function plugIn(): Promise<Cable> {
  const socat = spawn('socat', [`pty,raw,echo=0,link=${port}`, `pty,raw,echo=0,link=${farEnd}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const unplug = async (): Promise<void> => {
    socat.kill();
    await ended(socat);
  };
  cleanups.push(unplug);
  await until('both ends are there', () => existsSync(port) && existsSync(farEnd));
  let text = '';
  const input = createReadStream(farEnd, { encoding: 'latin1' });
  const output = createWriteStream(farEnd, { flags: 'r+' });
  // Reading ends with an error when the terminal goes away.
  input.on('error', () => undefined);
  output.on('error', () => undefined);
  input.on('data', (chunk) => {
    text += String(chunk);
  });
  cleanups.push(() => output.destroy());
  return { received: () => text, send: (sent) => output.write(sent, 'latin1'), unplug };
}

interface Watched {
  readonly line: OpenedSerialLine;
  readonly opened: SerialLine[];
  readonly reasons: SerialPortReason[];
  readonly text: () => string;
}

function watch(path = port): Watched {
  const opened: SerialLine[] = [];
  const reasons: SerialPortReason[] = [];
  let text = '';
  const line = openSerialLine({
    port: path,
    baudRate: 9600,
    clock,
    onBytes: (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
    },
    onOpen: (each) => opened.push(each),
    onClosed: (reason) => reasons.push(reason),
  });
  cleanups.push(() => line.stop());
  return { line, opened, reasons, text: () => text };
}
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const allBytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');

describe('an open serial port', () => {
  test('carries every byte both ways, as it is', async () => {
    const cable = await plugIn();
    const { opened, reasons, text } = watch();
    await until('the port is open', () => opened.length === 1);
    cable.send(allBytes);
    opened[0]?.write(bytesOf(allBytes));
    await until('the port has read all', () => text().length >= 256);
    await until('the far end has read all', () => cable.received().length >= 256);
    expect(text()).toBe(allBytes);
    expect(cable.received()).toBe(allBytes);
    expect(reasons).toEqual([]);
  });

  test('sends what was written in its order, and takes other speeds', async () => {
    const cable = await plugIn();
    const { opened, text } = watch();
    await until('the port is open', () => opened.length === 1);
    for (const part of ['one ', 'two ', 'three ']) opened[0]?.write(bytesOf(part));
    await until('all has arrived', () => cable.received() === 'one two three ');
    opened[0]?.setBaudRate(115_200);
    opened[0]?.write(bytesOf('four'));
    await until('the rest has arrived', () => cable.received() === 'one two three four');
    cable.send('back');
    await until('the port still reads', () => text() === 'back');
  });

  test('that is unplugged is reported once with the reason, and opens again by itself when it is plugged in', async () => {
    const first = await plugIn();
    const { opened, reasons, text } = watch();
    await until('the port is open', () => opened.length === 1);
    first.send('before');
    await until('it reads', () => text() === 'before');
    await first.unplug();
    await until('it is closed', () => reasons.length > 0);
    const second = await plugIn();
    await until('it is open again', () => opened.length === 2);
    expect(reasons.map((reason) => reason.code)).toEqual(['notThere']);
    second.send(' after');
    opened[1]?.write(bytesOf('hello'));
    await until('it reads again', () => text() === 'before after');
    await until('it writes again', () => second.received() === 'hello');
  });

  test('whose path vanishes is closed although the system says nothing, and opens again with it', async () => {
    await plugIn();
    const { opened, reasons } = watch();
    await until('the port is open', () => opened.length === 1);
    const terminal = await readlink(port);
    await rm(port);
    await until('it is closed', () => reasons.length > 0);
    expect(reasons[0]?.code).toBe('notThere');
    await symlink(terminal, port);
    await until('it is open again', () => opened.length === 2);
  });

  test('that is stopped reads nothing more, and neither opens nor reports again', async () => {
    const cable = await plugIn();
    const { line, opened, reasons, text } = watch();
    await until('the port is open', () => opened.length === 1);
    await line.stop();
    cable.send('too late');
    opened[0]?.write(bytesOf('too late'));
    // The next one to open it finds what nobody has read.
    const next = watch();
    await until('another one reads it', () => next.opened.length === 1);
    cable.send('!');
    await until('it reads', () => next.text().endsWith('!'));
    expect(text()).toBe('');
    expect(cable.received()).toBe('');
    expect(opened).toHaveLength(1);
    expect(reasons).toEqual([]);
  });

  test('drops and counts what is written beyond 8 KiB that are waiting, and whole writes only', async () => {
    const cable = await plugIn();
    const { line, opened } = watch();
    await until('the port is open', () => opened.length === 1);
    const block = 'x'.repeat(1000);
    for (let count = 0; count < 20; count += 1) opened[0]?.write(bytesOf(block));
    expect(line.droppedBytes()).toBe(12_000);
    await until('what was taken arrives', () => cable.received().length === 8000);
    opened[0]?.write(bytesOf('end'));
    await until('and what comes later', () => cable.received().endsWith('end'));
    expect(cable.received()).toHaveLength(8003);
  });

  test('sends the bytes as they were when they were written', async () => {
    const cable = await plugIn();
    const { opened } = watch();
    await until('the port is open', () => opened.length === 1);
    const bytes = bytesOf('right');
    opened[0]?.write(bytesOf('all '));
    opened[0]?.write(bytes);
    bytes.fill(0);
    await until('it arrives', () => cable.received() === 'all right');
  });
});

describe('a serial port that cannot be opened', () => {
  test('is reported once, not for each attempt, and opens when it appears', async () => {
    let attempts = 0;
    const counted: SerialClock = {
      now: clock.now,
      later: (delayMs, run) => {
        attempts += 1;
        return clock.later(delayMs, run);
      },
    };
    const reasons: SerialPortReason[] = [];
    let opened = 0;
    const line = openSerialLine({
      port,
      baudRate: 9600,
      clock: counted,
      onBytes: () => undefined,
      onOpen: () => {
        opened += 1;
      },
      onClosed: (reason) => reasons.push(reason),
    });
    cleanups.push(() => line.stop());
    await until('some attempts', () => attempts >= 4);
    expect(reasons).toEqual([{ code: 'notThere', message: expect.stringContaining('plugged in') }]);
    await plugIn();
    await until('it is open', () => opened === 1);
  });

  test('because another program holds it says so, and opens when that one lets go', async () => {
    await plugIn();
    const first = watch();
    await until('the first has it', () => first.opened.length === 1);
    const second = watch();
    await until('the second is refused', () => second.reasons.length > 0);
    expect(second.reasons[0]).toEqual({
      code: 'busy',
      message: expect.stringContaining('used by another program'),
    });
    await first.line.stop();
    await until('the second has it', () => second.opened.length === 1);
  });

  test('because it is a file says so', async () => {
    await writeFile(port, 'no port');
    const { reasons } = watch();
    await until('it is refused', () => reasons.length > 0);
    expect(reasons[0]).toEqual({ code: 'notSerial', message: expect.stringContaining('not a serial port') });
  });
});

test('a Worker is refused before the package can bring the process down', async () => {
  await plugIn();
  const module = JSON.stringify(new URL('../../../firmware-bridge/serial/device.ts', import.meta.url).href);
  const source = `
    import { parentPort } from 'node:worker_threads';
    const { openSerialDevice } = await import(${module});
    const events = { onBytes() {}, onGone() {} };
    await openSerialDevice(${JSON.stringify(port)}, 9600, events).catch((error) => parentPort.postMessage(error.message));
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  cleanups.push(() => worker.terminate());
  const message = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  expect(message).toContain('main thread');
});
