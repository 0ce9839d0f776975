import { execFileSync, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import { BusProcess } from '#tests/_support/osdp/bus-process-client.ts';
import { cardNumber } from '#tests/bridge/policy/fixtures.ts';
import { memoryOf, processorWaitMicros } from '../process-figures.ts';
import { type BenchRow, median, printReport, quantile, row } from '../report.ts';
import { OsdpDoors } from './doors.ts';
import type { MemoryAnswer } from './memory-process.ts';
import { noiseRows } from './noise-rows.ts';
import { OsdpPoller } from './poller.ts';

// Eight OSDP readers on a bus, through all of the product's path: reader -> pty with the time of its bytes -> serial process
// -> door thread -> decision -> journal -> output call. Beside it at the same time, on a bus of its own, a poller that does
// nothing but ask: what is between the two is ours. Then the same doors with one reader dead, a line that spoils bytes, and the
// memory of the bus's code after millions of frames.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    /** In each round, at each speed; the slow bus gets a quarter. */
    cards: { type: 'string', default: '100' },
    /** A round ends after so long, whatever is left of its cards. */
    seconds: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '3' },
    frames: { type: 'string', default: '2000000' },
  },
});
const cardsPerRound = Number(values.cards);
const mostMs = Number(values.seconds) * 1000;
const rounds = Number(values.rounds);
const frames = Number(values.frames);

const readers = 8;
const cardNumbers = 64;
/** On a line that spoils bytes, in virtual time. */
const noisyCards = 100;
const noisySeconds = 300;
const dead = 5;
const limit = { ratio: 1.3, deadRatio: 1.1, growth: 5 } as const;
/** A reader must begin to answer within this (OSDP 2.2, 5.7). */
const replyMs = 200;
/** A door has shut behind whoever came in, and a card that lies there longer is one tap. */
const doorMs = 1500;

/** At 115200 baud five cards a second: the eight doors of a hall before an evening class. */
const speeds = [
  { baudRate: 9600, cards: Math.ceil(cardsPerRound / 4), everyMs: 800 },
  { baudRate: 115_200, cards: cardsPerRound, everyMs: 200 },
] as const;
type Speed = (typeof speeds)[number];

const startMs = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
const shown = (samples: readonly number[]): string =>
  [0.5, 0.9, 0.99, 1].map((share) => quantile(samples, share).toFixed(1)).join(' / ');

interface Side {
  readonly bus: BusProcess;
  /** When the next card at this address is there, monotonic ns. */
  readonly arrival: (address: number) => Promise<bigint>;
}

/** Ms from card to arrival, for cards at random moments at random readers; not waiting for one before the next. */
async function present(side: Side, speed: Speed, addresses: readonly number[]): Promise<number[]> {
  const samples: number[] = [];
  const busy = new Set<number>();
  const underWay: Promise<void>[] = [];
  const untilMs = performance.now() + mostMs;
  const one = async (address: number, number: number): Promise<void> => {
    const { hex, bits } = cardNumber(number);
    const arrived = side.arrival(address);
    const atNs = await side.bus.order({ card: { address, bits: hexToBits(hex, bits).join(''), format: 1 } });
    const late = pause(20_000, null, { ref: false });
    const arrivedNs = await Promise.race([arrived, late]);
    if (arrivedNs === null) throw new Error(`the card at reader ${address} did not arrive`);
    samples.push(Number(arrivedNs - atNs) / 1e6);
    await pause(doorMs);
    busy.delete(address);
  };
  for (let card = 0; card < speed.cards && performance.now() < untilMs; card += 1) {
    await pause(speed.everyMs * (0.25 + Math.random() * 1.5));
    const free = addresses.filter((address) => !busy.has(address));
    const address = free[Math.floor(Math.random() * free.length)];
    if (address === undefined) continue;
    busy.add(address);
    underWay.push(one(address, (card * 7) % cardNumbers));
  }
  await Promise.all(underWay);
  return samples;
}

interface Round {
  readonly ours: readonly number[];
  readonly poller: readonly number[];
  readonly cycles: readonly number[];
  /** Until the dead reader counts as offline. */
  readonly dying: readonly number[];
  readonly withDead: readonly number[];
}

const everyone = Array.from({ length: readers }, (_, address) => address);
const alive = everyone.filter((address) => address !== dead);

const startBus = (baudRate: number, keys: readonly Uint8Array[]): Promise<BusProcess> =>
  BusProcess.start({
    baudRate,
    peripherals: keys.map((key, address) => ({ address, ownKey: Buffer.from(key).toString('hex') })),
  });

async function measureRound(speed: Speed): Promise<Round> {
  const { baudRate } = speed;
  const keys = everyone.map(() => randomBytes(16));
  const ourBus = await startBus(baudRate, keys);
  const pollerBus = await startBus(baudRate, keys);
  const doors = await OsdpDoors.open({ port: ourBus.link, baudRate, keys, cards: cardNumbers });
  const hexKeys = keys.map((key) => key.toString('hex'));
  const poller = new OsdpPoller({ port: pollerBus.link, baudRate, keys: hexKeys });
  try {
    await poller.ready();
    await doors.untilOnline(readers);
    await poller.cycles();
    const [ours, polled] = await Promise.all([
      present({ bus: ourBus, arrival: (address) => doors.nextRelease(address) }, speed, everyone),
      present({ bus: pollerBus, arrival: (address) => poller.nextCard(address) }, speed, everyone),
    ]);
    const cycles = await poller.cycles();
    await poller.stop();
    const side = { bus: ourBus, arrival: (address: number) => doors.nextRelease(address) };
    await ourBus.order({ power: { address: dead, to: 'off' } });
    const dying: number[] = [];
    while (doors.online() === readers)
      dying.push(...(await present(side, { ...speed, cards: Math.ceil(2000 / speed.everyMs) }, alive)));
    const withDead = await present(side, { ...speed, cards: Math.ceil(speed.cards / 2) }, alive);
    return { ours, poller: polled, cycles, dying, withDead };
  } finally {
    await poller.stop();
    await doors.close();
    await Promise.all([ourBus.stop(), pollerBus.stop()]);
  }
}

/** How long the bus waits for a reader that does not answer: its poll, the standard's time-out, an answer of 64 bytes. */
const timeoutMs = (baudRate: number): number => replyMs + ((15 + 64) * 10_000) / baudRate;

/** The middle of the rounds: one that other processes disturbed says nothing of ours. */
const middle = (all: readonly Round[], pick: (round: Round) => readonly number[], share: number): number =>
  median(all.map((round) => quantile(pick(round), share)));

async function speedRows(speed: Speed): Promise<BenchRow[]> {
  const { baudRate } = speed;
  const name = `${baudRate} baud`;
  const all: Round[] = [];
  const waited = processorWaitMicros() ?? Number.NaN;
  const fromMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    const figures = await measureRound(speed);
    all.push(figures);
    const { ours, poller, dying, withDead } = figures;
    say(
      `${name}, ms p50 / p90 / p99 / worst: ours ${shown(ours)} (${ours.length}), poller ${shown(poller)}, a reader dies ${shown(dying)} (${dying.length}), dead ${shown(withDead)} (${withDead.length})`,
    );
  }
  const waitedShare = ((processorWaitMicros() ?? Number.NaN) - waited) / 10 / (performance.now() - fromMs);
  const of = (what: string, value: number, most: number | null = null): BenchRow =>
    row(`${name}: ${what}`, value, 'ms', most);
  const ratio = (share: number): number =>
    middle(all, ({ ours }) => ours, share) / middle(all, ({ poller }) => poller, share);
  const worst = (pick: (round: Round) => readonly number[]): number => Math.max(...all.flatMap(pick));
  const p90 = middle(all, ({ ours }) => ours, 0.9);
  const deadP90 = middle(all, ({ withDead }) => withDead, 0.9);
  const cycle = middle(all, ({ ours }) => ours, 1);
  return [
    of(
      "a bare poller's turn round 8 readers, p50",
      middle(all, ({ cycles }) => cycles, 0.5),
    ),
    ...[0.5, 0.9, 0.99].flatMap((share) => [
      of(
        `card -> reply at a bare poller, p${share * 100}`,
        middle(all, ({ poller }) => poller, share),
      ),
      of(
        `card -> strike, p${share * 100}`,
        middle(all, ({ ours }) => ours, share),
      ),
    ]),
    of(
      'card -> strike, worst of all',
      worst(({ ours }) => ours),
    ),
    row(`${name}: p50 against the poller's`, ratio(0.5), 'x', limit.ratio),
    row(`${name}: p99 against the poller's`, ratio(0.99), 'x', limit.ratio),
    of('one reader dead: card -> strike, p90', deadP90),
    row(`${name}: one reader dead: p90 against all alive`, deadP90 / p90, 'x', limit.deadRatio),
    of(
      'one reader dead: worst (limit: worst of a round with all alive + time-out)',
      worst(({ withDead }) => withDead),
      cycle + timeoutMs(baudRate),
    ),
    of(
      'the 8 s in which a reader dies: p90',
      middle(all, ({ dying }) => dying, 0.9),
    ),
    of(
      'the 8 s in which a reader dies: worst (same limit)',
      worst(({ dying }) => dying),
      cycle + timeoutMs(baudRate),
    ),
    row(`${name}: time in which some process of the machine waited for a processor`, waitedShare, '%'),
  ];
}

/** The heap of the serial process itself. */
const memoryFlags = ['--expose-gc', '--max-semi-space-size=1', '--max-old-space-size=64'];
/** What the bridge gives to it. */
const memoryEnv = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072' };
const mib = 1024 * 1024;

/**
 * Of the panel's process alone: in one with the simulated readers their garbage counted as well. Old objects that are garbage
 * stand until there are some 8 MiB of them, for about 500,000 frames, and the pages that they took stay resident. So it is
 * warm after two collections; left to itself it comes to the same, about 91 MiB, by 2,500,000 frames and is there at 4,000,000.
 */
async function memoryRows(): Promise<BenchRow[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'mc-osdp-'));
  const fifos = ['commands', 'replies'].map((name) => path.join(directory, name));
  execFileSync('mkfifo', fifos);
  const file = (name: string): string => path.join(import.meta.dirname, name);
  const simulators = fork(file('memory-readers-process.ts'), fifos);
  const child = fork(file('memory-process.ts'), fifos, {
    execArgv: memoryFlags,
    env: { ...process.env, ...memoryEnv },
  });
  const ended = new AbortController();
  for (const each of [simulators, child])
    each.once('exit', () => ended.abort(new Error('a process of this measurement has ended')));
  const play = async (count: number): Promise<MemoryAnswer> => {
    const answered = once(child, 'message', { signal: ended.signal });
    child.send(String(count));
    return (await answered)[0] as MemoryAnswer;
  };
  try {
    const pid = child.pid ?? Number.NaN;
    const half = await play(frames / 4);
    say(`memory: ${memoryOf(pid).rss.toFixed(1)} MiB after ${half.frames} frames`);
    const warm = await play(frames / 4);
    const warmMib = memoryOf(pid).rss;
    say(`memory: ${warmMib.toFixed(1)} MiB after ${warm.frames} frames to warm up`);
    let last = warm;
    for (let part = 0; part < 4; part += 1) {
      last = await play(frames / 4);
      say(`memory: ${memoryOf(pid).rss.toFixed(1)} MiB after ${last.frames} frames, ${last.cards} cards`);
    }
    return [
      row('the bus of eight readers in a process, warm', warmMib, 'MiB'),
      row(`growth over ${frames} frames`, memoryOf(pid).rss - warmMib, 'MiB', limit.growth),
      row('growth of the heap in use meanwhile', (last.heapBytes - warm.heapBytes) / mib, 'MiB'),
      row('cards that came meanwhile', last.cards - warm.cards, ''),
    ];
  } finally {
    child.kill('SIGKILL');
    simulators.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

const rows: BenchRow[] = [];
for (const speed of speeds) rows.push(...(await speedRows(speed)));
say('a line that spoils bytes');
rows.push(...noiseRows(noisyCards, noisySeconds));
rows.push(...(await memoryRows()));
say('done');
printReport('osdp', rows);
if (rows.some(({ holds }) => !holds)) process.exitCode = 1;
