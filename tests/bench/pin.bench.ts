import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { keyToBurst } from '#bridge/readers/wiegand/keypad.ts';
import type { ControlStream } from '#hub/cli/control-stream.ts';
import { hashPinSync } from '#hub/platform/pin-hash.ts';
import { isDecision } from '#tests/_support/appliance.ts';
import { setDoor } from '#tests/_support/doors/doors.ts';
import { BenchPanel } from './bench-panel.ts';
import { type BenchDoor, benchCard, openBenchSite } from './bench-site.ts';
import { memoryOf } from './process-figures.ts';
import { median, printReport, quantile, row } from './report.ts';

// Twenty people type number and PIN at twenty readers at once, wrong and right by turns, so that twenty checks wait for the
// one Worker; meanwhile cards are tapped at four other doors of the same bridge. Beside it the same taps with nobody typing.
// And beside both, taps while another process hashes just as much and has nothing to do with the bridge: what this machine's
// processors themselves add to a tap when one of them has work.
// Everything is the product as it runs: bursts over the simulated lines, argon2id, the lock-out file, journal and hub.

const runs = 5;
const roundsPerRun = 6;
const limitMs = 20;
const readersTyping = 20;
const members = 64;
const [pin, wrongPin] = ['4711', '5823'];
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const doors: readonly BenchDoor[] = Array.from({ length: 4 }, (_, index) => ({
  key: `door-${index}`,
  d0: index * 4,
  d1: index * 4 + 1,
  strike: index * 4 + 2,
  contact: index * 4 + 3,
  fixedBits: 26,
}));
/** Seven, seven and six keypads at three doors, as the 64 simulated lines allow. */
const keypads = Array.from({ length: readersTyping }, (_, index) => ({
  portal: Math.floor(index / 7),
  d0: 19 + index * 2,
  d1: 20 + index * 2,
}));
const portals = [0, 1, 2].map((portal) => ({
  key: `typing-${portal}`,
  name: `Typing ${portal}`,
  readers: keypads.flatMap(({ portal: of, d0, d1 }) =>
    of === portal ? [{ key: `keypad-${d0}`, wiring: { kind: 'wiegand', d0, d1 } }] : [],
  ),
  strike: { line: 16 + portal, failMode: 'secure' },
}));

/** The same keys at all keypads at once. */
async function typeEverywhere(panel: BenchPanel, keys: string): Promise<void> {
  for (const key of keys)
    await panel.panel.tapFrames(
      keypads.map(({ d0, d1 }) => ({ bits: keyToBurst(key, 4), d0, d1, bitIntervalUs: 250 })),
    );
}

let taps = 0;
async function tapOnce(panel: BenchPanel): Promise<number> {
  const door = doors[taps % doors.length];
  if (door === undefined) throw new Error('there is no door');
  taps += 1;
  const ms = await panel.pass(door, benchCard((taps * 7) % members));
  await pause(Math.random() * 10);
  return ms;
}

/** Hashes without a pause, at the lowest priority, until it is ended. */
const hasher = (): ChildProcess =>
  spawn(
    process.execPath,
    [
      '-e',
      `os.setPriority(19); for (;;) crypto.argon2Sync('argon2id', { message: '4711', nonce: Buffer.alloc(16), parallelism: 1, tagLength: 20, memory: 9216, passes: 4 });`,
    ],
    { stdio: 'ignore' },
  );

/** Decisions at the doors with keypads, as the hub is told of them. */
class Typed {
  readonly #seen = new Set<unknown>();
  readonly #stream: ControlStream;
  constructor(stream: ControlStream) {
    this.#stream = stream;
  }
  get count(): number {
    return this.#seen.size;
  }
  async reach(count: number): Promise<void> {
    await this.#stream.next((event) => {
      const { portal, reason } = event.data as { portal?: { name?: string }; reason?: string };
      if (isDecision(event) && portal?.name?.startsWith('Typing') === true) {
        if (reason !== null && reason !== undefined && reason !== 'pinWrong')
          throw new Error(`a PIN came to ${reason}`);
        this.#seen.add(event.data.id);
      }
      return this.#seen.size >= count;
    }, 60_000);
  }
}

const startMs = performance.now();
const { appliance } = await openBenchSite(doors, { members, cardsEach: 1 }, {}, portals);
const panel = new BenchPanel(appliance.simulationDir);
try {
  await appliance.start('hub');
  await appliance.start('bridge');
  await appliance.untilApplied();
  const { items } = await appliance.ask('GET', '/api/members?limit=200');
  const member = (items as { id: string; number: number; name: string }[]).find(
    ({ name }) => name === 'Mia Maker',
  );
  if (member === undefined) throw new Error('there is no member');
  await appliance.ask('PUT', `/api/access-control/pins/${member.id}`, { pin });
  for (const { key } of portals) await setDoor(appliance, key, { identification: 'pin' });
  const typed = new Typed(await appliance.listen());
  const pid = appliance.pid('bridge');
  const before = memoryOf(pid).rss;

  for (let warm = 0; warm < 20; warm += 1) await tapOnce(panel);
  const figures: { readonly idle: number[]; readonly beside: number[]; readonly busy: number[] }[] = [];
  const busyMs: number[] = [];
  for (let round = 0; round < runs * roundsPerRun; round += 1) {
    if (round % roundsPerRun === 0) figures.push({ idle: [], beside: [], busy: [] });
    const { idle, beside, busy } = figures.at(-1) ?? { idle: [], beside: [], busy: [] };
    for (let tap = 0; tap < 12; tap += 1) idle.push(await tapOnce(panel));
    const other = hasher();
    await pause(150);
    for (let tap = 0; tap < 12; tap += 1) beside.push(await tapOnce(panel));
    other.kill('SIGKILL');
    const wanted = typed.count + readersTyping;
    await typeEverywhere(panel, `${member.number}*${round % 2 === 0 ? wrongPin : pin}#`);
    const fromMs = performance.now();
    let isDone = false;
    const done = typed.reach(wanted).then(() => {
      isDone = true;
    });
    // A tap counts when checks were still waiting after it.
    for (;;) {
      const ms = await tapOnce(panel);
      if (isDone) break;
      busy.push(ms);
    }
    await done;
    busyMs.push(performance.now() - fromMs);
  }
  const alone = Array.from({ length: 15 }, (_, index) => {
    const from = performance.now();
    hashPinSync(pin, Buffer.alloc(16, index));
    return performance.now() - from;
  });
  const all = (kind: 'idle' | 'beside' | 'busy'): number[] => figures.flatMap((run) => run[kind]);
  const rowsOf = (kind: 'idle' | 'beside' | 'busy', name: string, limit: number | null) => [
    row(`${name}: last bit -> strike, p50`, median(all(kind)), 'ms'),
    row(
      `${name}: last bit -> strike, p99, median of ${runs} runs`,
      median(figures.map((run) => quantile(run[kind], 0.99))),
      'ms',
      limit,
    ),
    row(`${name}: worst of all`, Math.max(...all(kind)), 'ms'),
  ];
  say(`${Math.round((performance.now() - startMs) / 1000)} s in all`);
  printReport('pin', [
    ...rowsOf('idle', 'nobody types', limitMs),
    ...rowsOf('beside', 'another process hashes', null),
    ...rowsOf('busy', `${readersTyping} PIN checks waiting`, limitMs),
    row('taps measured while checks waited', all('busy').length, 'taps'),
    row(`all ${readersTyping} answered after the last key`, median(busyMs), 'ms'),
    row('one argon2id by itself', median(alone), 'ms'),
    row('memory of the bridge without the PIN Worker', before, 'MiB'),
    row('memory of the bridge with it', memoryOf(pid).rss, 'MiB'),
  ]);
} finally {
  await panel.close();
  await appliance.close();
}
