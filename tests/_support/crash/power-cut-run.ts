import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { Appliance } from '../appliance.ts';
import { furnishScene, Visitors, watchStrikes, writeSceneConfig } from '../doors/scene.ts';
import { seededRandom } from '../seeded-random.ts';
import { readJournal, untilDrained } from './account.ts';
import { CutPlace } from './power-cut-check.ts';
import { readTrace, traceProcess } from './strace.ts';
import { type DiskCall, type Survival, TracedDisk } from './traced-disk.ts';

export interface PowerCutOptions {
  readonly seed: number;
  /** How long people tap and staff write. */
  readonly loadMs: number;
  /** Points at which each of the two disks is cut, spread over all its calls; each is cut in three ways. */
  readonly points: number;
  readonly onProgress?: (cuts: number) => void;
}

export interface PowerCutReport {
  readonly bridgeCalls: number;
  readonly hubCalls: number;
  readonly bridgeCuts: number;
  readonly hubCuts: number;
  readonly entries: number;
  readonly answers: number;
  /** What was found wrong, by what it is. */
  readonly wrong: Readonly<Record<Wrong, readonly string[]>>;
  /** From the append of an entry until a power cut could not take it any more, or until the end of the record, ms. */
  readonly durableMs: readonly number[];
}

export const wrongs = [
  'bridgeCorrupt',
  'bridgeLostSynced',
  'bridgeLostOld',
  'policyCorrupt',
  'hubCorrupt',
  'hubLostAnswered',
  'hubAheadOfJournal',
] as const;
export type Wrong = (typeof wrongs)[number];

/** What may be lost is younger. */
const oldMs = 100;
const survivals: readonly Survival[] = ['lost', 'whole', 'torn'];

interface Recording {
  readonly base: ReadonlyMap<string, Buffer>;
  readonly calls: readonly DiskCall[];
  readonly journal: readonly BridgeEvent[];
  /** Members that staff were told are saved, and when. */
  readonly answers: readonly { readonly id: string; readonly atMs: number }[];
}

const isOf = (part: 'bridge' | 'hub', call: DiskCall): boolean => call.act.path.startsWith(`${part}/`);

async function filesBelow(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const part of ['bridge', 'bridge/journal', 'hub', 'hub/keys'])
    for (const entry of await readdir(path.join(directory, part), { withFileTypes: true })) {
      const file = path.join(part, entry.name);
      if (entry.isFile() && !file.endsWith('-shm') && !file.endsWith('.lock'))
        files.set(file, await readFile(path.join(directory, file)));
    }
  return files;
}

/** Members and cards, one after the other, each kept in mind once the hub has said that it is saved. */
async function staffWrites(appliance: Appliance, untilMs: number): Promise<Recording['answers']> {
  const answers: { id: string; atMs: number }[] = [];
  for (let number = 1; Date.now() < untilMs; number += 1) {
    const { id: memberId } = await appliance.ask('POST', '/api/members', {
      name: `Member ${String(number)}`,
    });
    answers.push({ id: memberId as string, atMs: Date.now() });
    await appliance.ask('POST', '/api/access-control/credentials', {
      memberId,
      card: `77:${String(number)}`,
    });
    await delay(100);
  }
  return answers;
}

async function record({ seed, loadMs }: PowerCutOptions, stateDir: string): Promise<Recording> {
  const appliance = await Appliance.start({ stateDir, bridgeConfig: await writeSceneConfig(stateDir) });
  const strikes = watchStrikes(appliance.simulationDir);
  const traceDir = await mkdtemp(path.join(tmpdir(), 'mc-trace-'));
  try {
    const cards = await furnishScene(appliance);
    await untilDrained(stateDir, strikes.moves);
    const traces = [
      await traceProcess(appliance.pid('bridge'), traceDir),
      await traceProcess(appliance.pid('hub'), traceDir),
    ];
    const base = await filesBelow(stateDir);
    const fromMs = Date.now();
    const visitors = new Visitors(appliance, cards, seededRandom(seed));
    visitors.start();
    const answers = await staffWrites(appliance, fromMs + loadMs);
    await visitors.stop();
    await untilDrained(stateDir, strikes.moves);
    const { events: journal } = await readJournal(stateDir);
    for (const trace of traces) await trace.stop();
    const calls = readTrace(traceDir, stateDir);
    const early = calls.find((call) => call.startMs < fromMs && call.act.kind !== 'sync');
    if (early !== undefined) throw new Error(`it was not quiet before the trace: ${early.act.path}`);
    return { base, calls, journal, answers };
  } finally {
    strikes.close();
    await appliance.close();
    await rm(traceDir, { recursive: true, force: true });
  }
}

const note = (report: Record<Wrong, string[]>, wrong: Wrong, text: string): void =>
  void report[wrong].push(text);

/** Time that the medium took for syncs of the journal between two moments. */
function mediumMs(calls: readonly DiskCall[], fromMs: number, untilMs: number): number {
  let sum = 0;
  let at = fromMs;
  for (const { act, startMs, endMs } of calls) {
    if (act.kind !== 'sync' || !act.path.startsWith('bridge/journal')) continue;
    const end = Math.min(endMs, untilMs);
    sum += Math.max(0, end - Math.max(startMs, at));
    at = Math.max(at, end);
  }
  return sum;
}

/** What a cut may not take: entries up to this number had their 100 ms, and as much as the medium took for its syncs. */
const oldSeqAt = ({ journal, calls }: Recording, atMs: number): number =>
  journal.findLast(
    ({ wallMs }) => wallMs <= atMs - oldMs && wallMs + mediumMs(calls, wallMs, atMs) <= atMs - oldMs,
  )?.seq ?? 0;

interface Durable {
  readonly atMs: number;
  readonly seq: number;
}

/** The parts of a run that both kinds of cuts need. */
interface Cutting {
  readonly recording: Recording;
  readonly points: number;
  readonly place: CutPlace;
  readonly random: () => number;
  readonly wrong: Record<Wrong, string[]>;
  readonly onCut: () => void;
}

/** What may be left at points that are spread over the calls of a process. */
function* cutsOf(
  part: 'bridge' | 'hub',
  { recording: { base, calls }, points, random, onCut }: Cutting,
): Generator<{ files: Map<string, Buffer>; survival: Survival; atMs: number; where: string }> {
  const disk = new TracedDisk(base);
  const every = Math.max(1, calls.filter((call) => isOf(part, call)).length / points);
  let next = 0;
  let count = 0;
  for (const [index, call] of calls.entries()) {
    if (!isOf(part, call) || !disk.apply(call)) continue;
    count += 1;
    const isDue = count >= next;
    if (isDue) next += every;
    // Behind every sync of the bridge it must be known what is safe.
    const isTold = part === 'bridge' && call.act.kind === 'sync';
    for (const survival of isDue ? survivals : survivals.slice(0, isTold ? 1 : 0)) {
      const where = `behind call ${String(index)}, ${survival}`;
      yield { files: disk.cut(survival, random), survival, atMs: call.endMs, where };
      onCut();
    }
  }
}

/** Returns from when on which entry of the journal was safe. */
async function cutBridge(cutting: Cutting): Promise<Durable[]> {
  const { recording, place, wrong } = cutting;
  const { journal } = recording;
  const durable: Durable[] = [];
  let safeSeq = 0;
  let revision = 0;
  for (const { files, survival, atMs, where } of cutsOf('bridge', cutting)) {
    const found = await place.openBridge(files);
    if (found.fault !== null) {
      note(wrong, 'bridgeCorrupt', `${where}: ${found.fault}`);
      continue;
    }
    const lastSeq = found.events.at(-1)?.seq ?? 0;
    if (lastSeq < safeSeq) note(wrong, 'bridgeLostSynced', `${where}: ends at ${String(lastSeq)}`);
    if (survival === 'lost') {
      safeSeq = Math.max(safeSeq, lastSeq);
      durable.push({ atMs, seq: lastSeq });
    }
    const oldSeq = oldSeqAt(recording, atMs);
    if (lastSeq < oldSeq)
      note(wrong, 'bridgeLostOld', `${where}: ends at ${String(lastSeq)}, not ${String(oldSeq)}`);
    for (const [at, event] of found.events.entries()) {
      const isTorn = event.kind === 'journalGap' && event.seq > safeSeq;
      if (event.seq !== at + 1 || (!isTorn && !isDeepStrictEqual(event, journal[at])))
        note(wrong, 'bridgeCorrupt', `${where}: entry ${String(event.seq)} is not what was written`);
    }
    if (found.policyRevision === null || found.policyRevision < revision)
      note(wrong, 'policyCorrupt', `${where}: revision ${String(found.policyRevision)}`);
    else if (survival === 'lost') revision = found.policyRevision;
  }
  return durable;
}

async function cutHub(cutting: Cutting, durable: readonly Durable[]): Promise<void> {
  const { recording, place, wrong } = cutting;
  const { journal, answers } = recording;
  for (const { files, atMs, where } of cutsOf('hub', cutting)) {
    const found = await place.openHub(files);
    if (found.fault !== null) {
      note(wrong, 'hubCorrupt', `${where}: ${found.fault}`);
      continue;
    }
    const { events, members, heldSeq } = found;
    const held = String(events.length);
    if (!events.every((event, at) => isDeepStrictEqual(event, journal[at])))
      note(wrong, 'hubCorrupt', `${where}: events are not those of the journal`);
    if (heldSeq !== events.length)
      note(wrong, 'hubCorrupt', `${where}: the cursor says ${String(heldSeq)}, ${held} are there`);
    for (const answer of answers)
      if (answer.atMs < atMs && !members.has(answer.id))
        note(wrong, 'hubLostAnswered', `${where}: member ${answer.id}`);
    const safe = durable.findLast((moment) => moment.atMs <= atMs)?.seq;
    if (safe !== undefined && events.length > safe)
      note(wrong, 'hubAheadOfJournal', `${where}: ${held} > ${String(safe)}`);
  }
}

/**
 * Records what bridge and hub write and sync while people tap and staff write, then cuts the power again and again in
 * that record, opens what is left with the product's own code, and compares.
 */
export async function runPowerCuts(options: PowerCutOptions): Promise<PowerCutReport> {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
  const recording = await record(options, stateDir);
  const place = await CutPlace.make(recording.base);
  const random = seededRandom(options.seed);
  const wrong: Record<Wrong, string[]> = {
    bridgeCorrupt: [],
    bridgeLostSynced: [],
    bridgeLostOld: [],
    policyCorrupt: [],
    hubCorrupt: [],
    hubLostAnswered: [],
    hubAheadOfJournal: [],
  };
  let cuts = 0;
  const onCut = (): void => {
    cuts += 1;
    options.onProgress?.(cuts);
  };
  try {
    const { journal, calls } = recording;
    const cutting: Cutting = { recording, points: options.points, place, random, wrong, onCut };
    const durable = await cutBridge(cutting);
    const bridgeCuts = cuts;
    await cutHub(cutting, durable);
    const endMs = calls.at(-1)?.endMs ?? 0;
    const firstSeq = durable[0]?.seq ?? 0;
    return {
      bridgeCalls: calls.filter((call) => isOf('bridge', call)).length,
      hubCalls: calls.filter((call) => isOf('hub', call)).length,
      bridgeCuts,
      hubCuts: cuts - bridgeCuts,
      entries: journal.length,
      answers: recording.answers.length,
      wrong,
      durableMs: journal
        .filter((event) => event.seq > firstSeq)
        .map((event) => (durable.find(({ seq }) => seq >= event.seq)?.atMs ?? endMs) - event.wallMs),
    };
  } finally {
    await place.close();
  }
}
