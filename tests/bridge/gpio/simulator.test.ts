import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openFakePort } from '#bridge/gpio/fake-port.ts';
import { sendToPanel } from '#bridge/gpio/panel-client.ts';
import { simPaths } from '#bridge/gpio/sim-state.ts';
import { openSimulatedPanel } from '#bridge/gpio/simulated-panel.ts';
import type { GpioLines, GpioPort } from '#bridge/ports.ts';
import {
  contactLine,
  dataLine,
  makeSimDir,
  recordPort,
  removeSimDir,
  SimulatorProcess,
} from './simulation.ts';

const lines: GpioLines = {
  data: [5, 6, 15, 16].map(dataLine),
  inputs: [contactLine(7)],
  outputs: [],
};
const bits = '10111101100010001110101110'.slice(0, 26);
const tap = { bits, d0: 5, d1: 6 };

let dir = '';
let port: GpioPort | null = null;
const simulators: SimulatorProcess[] = [];
beforeEach(() => {
  dir = makeSimDir();
});
afterEach(async () => {
  await port?.close();
  port = null;
  for (const simulator of simulators.splice(0)) await simulator.stop();
  removeSimDir(dir);
});

async function startSimulator(): Promise<SimulatorProcess> {
  const simulator = await SimulatorProcess.start(dir);
  simulators.push(simulator);
  return simulator;
}

async function startPort() {
  port = await openFakePort(dir, lines);
  return recordPort(port);
}

/** The answers to raw lines, in their order. */
async function answersTo(...commands: string[]): Promise<unknown[]> {
  const socket = connect(simPaths(dir).socket);
  await once(socket, 'connect');
  const answers: unknown[] = [];
  const input = createInterface({ input: socket });
  input.on('line', (line) => answers.push(JSON.parse(line)));
  socket.write(commands.map((command) => `${command}\n`).join(''));
  while (answers.length < commands.length) await once(input, 'line');
  socket.destroy();
  return answers;
}

test('a frame is stamped backwards from the moment of writing, one interval per bit', async () => {
  const seen = await startPort();
  const panel = openSimulatedPanel(dir);
  const beforeNs = process.hrtime.bigint();
  const lastNs = await panel.tapFrame({ ...tap, bitIntervalUs: 2000 });
  const afterNs = process.hrtime.bigint();
  await seen.until(() => seen.edges.length === 26);
  await panel.close();
  expect(lastNs).toBeGreaterThanOrEqual(beforeNs);
  expect(lastNs).toBeLessThanOrEqual(afterNs);
  expect(seen.edges.map((edge) => edge.timestampNs)).toEqual(
    Array.from({ length: 26 }, (_, index) => lastNs - BigInt(25 - index) * 2_000_000n),
  );
  expect(seen.edges.map((edge) => (edge.offset === 6 ? '1' : '0')).join('')).toBe(bits);
});

test('frames of two readers at once are interleaved in the order of time', async () => {
  const seen = await startPort();
  const panel = openSimulatedPanel(dir);
  await panel.tapFrames([
    { ...tap, bitIntervalUs: 1000 },
    { bits, d0: 15, d1: 16, bitIntervalUs: 700 },
  ]);
  await seen.until(() => seen.edges.length === 52);
  await panel.close();
  const times = seen.edges.map((edge) => edge.timestampNs);
  expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
  expect(new Set(seen.edges.slice(0, 4).map((edge) => edge.offset > 10))).toEqual(new Set([false, true]));
});

test('two taps in a row keep a silence between them', async () => {
  const seen = await startPort();
  const panel = openSimulatedPanel(dir);
  await Promise.all([panel.tapFrame(tap), panel.tapFrame(tap)]);
  await seen.until(() => seen.edges.length === 52);
  await panel.close();
  expect(seen.edges[26]!.timestampNs - seen.edges[25]!.timestampNs).toBeGreaterThanOrEqual(30_000_000n);
});

test('stamped frames need no real time', async () => {
  const seen = await startPort();
  const panel = openSimulatedPanel(dir);
  for (let frame = 0; frame < 200; frame += 1)
    await panel.tapFrame(tap, { kind: 'stamped', firstNs: BigInt(frame) * 100_000_000n });
  await seen.until(() => seen.edges.length === 200 * 26);
  await panel.close();
  expect(seen.lost()).toBe(0);
  expect(seen.edges.at(-1)!.timestampNs).toBe(199n * 100_000_000n + 25_000_000n);
});

test('one sequence goes on over several simulators, also after kill -9', async () => {
  const seen = await startPort();
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
    const simulator = await startSimulator();
    await sendToPanel(dir, { tap });
    await simulator.stop(signal);
  }
  await seen.until(() => seen.edges.length === 3 * 26);
  const first = seen.edges[0]!.seqno;
  expect(seen.edges.map((edge) => edge.seqno - first)).toEqual(Array.from({ length: 78 }, (_, at) => at));
  expect(seen.lost()).toBe(0);
});

test('skipped numbers are a loss at the port', async () => {
  const seen = await startPort();
  const panel = openSimulatedPanel(dir);
  await panel.tapFrame(tap);
  await panel.skipEdges(3);
  await panel.setLine(7, 1);
  await seen.until(() => seen.edges.length === 27);
  await panel.close();
  expect(seen.lost()).toBe(3);
});

test('a second simulator in the same folder is refused, and one that died does not stand in the way', async () => {
  const first = await startSimulator();
  await expect(SimulatorProcess.start(dir)).rejects.toThrow(
    `process ${first.child.pid} already plays the hardware`,
  );
  await first.stop('SIGKILL');
  await startSimulator();
  expect(readFileSync(simPaths(dir).lock, 'utf8')).toMatch(/^\d+ \d+$/);
});

test('its folder and socket are for its own user only', async () => {
  await startSimulator();
  const { socket, events, lines: levels } = simPaths(dir);
  expect([socket, events, levels].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
});

test('every bad command is answered with what is wrong, and the good ones after it are performed', async () => {
  const seen = await startPort();
  await startSimulator();
  const answers = await answersTo(
    'no json',
    '{"tap": {"bits": "0120", "d0": 5, "d1": 6}}',
    '{"line": {"offset": 64, "level": 1}}',
    '{"line": {"offset": 7, "level": 1, "colour": "red"}}',
    '{"line": {"offset": 7, "level": 1}}',
  );
  expect(answers).toMatchObject([
    { ok: false, code: 'panelCommand', message: 'a command is one line of JSON' },
    { ok: false, code: 'panelCommand', message: expect.stringContaining('bits') },
    { ok: false, code: 'panelCommand', message: expect.stringContaining('offset') },
    { ok: false, code: 'panelCommand', message: expect.stringContaining('colour') },
    { ok: true, lastEdgeNs: expect.stringMatching(/^\d+$/) },
  ]);
  await seen.until(() => seen.edges.length === 1);
});

test('noise arrives as edges faster than any reader', async () => {
  const seen = await startPort();
  await startSimulator();
  await sendToPanel(dir, { noise: { offsets: [5, 6], edges: 40, intervalUs: 50 } });
  await seen.until(() => seen.edges.length === 40);
  expect(seen.edges[1]!.timestampNs - seen.edges[0]!.timestampNs).toBe(50_000n);
});

test('without a simulator the command says how to start one; without a bridge, that nobody listens', async () => {
  await expect(sendToPanel(dir, { tap })).rejects.toMatchObject({
    code: 'panelAbsent',
    message: expect.stringContaining('simulator.ts --state'),
  });
  await startSimulator();
  await expect(sendToPanel(dir, { tap })).rejects.toMatchObject({ code: 'panelNoListener' });
});

test('a file where a FIFO should be is named', () => {
  writeFileSync(simPaths(dir).events, '');
  expect(() => openSimulatedPanel(dir)).toThrow(`${simPaths(dir).events} is no FIFO`);
});
