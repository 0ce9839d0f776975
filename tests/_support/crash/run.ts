import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyAudit } from '#hub/domains/identity/audit/workflow.ts';
import { Appliance } from '../appliance.ts';
import {
  furnishScene,
  type StrikeMove,
  type Tap,
  Visitors,
  watchStrikes,
  writeSceneConfig,
} from '../doors/scene.ts';
import { seededRandom } from '../seeded-random.ts';
import {
  compareJournalAndStore,
  type Discrepancies,
  judgeTaps,
  type Life,
  releasesWithoutRecord,
  untilDrained,
  untilTakenIn,
  withStore,
} from './account.ts';

export type Victim = 'bridge' | 'hub';

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly onProgress?: (kills: number) => void;
}

export interface CrashReport {
  readonly kills: Readonly<Record<Victim, number>>;
  readonly taps: readonly Tap[];
  readonly releases: number;
  readonly grants: number;
  readonly entries: number;
  /** Of these, the ones that the hub took in between two kills. */
  readonly entriesUnderFire: number;
  readonly discrepancies: Discrepancies;
  readonly releasesWithoutRecord: readonly StrikeMove[];
  readonly answered: number;
  /** Doors, one life of the bridge each, at which a tap has no decision or a wrong one. */
  readonly misjudged: readonly string[];
  readonly auditEntries: number;
  readonly auditHolds: boolean;
  /** From a kill to the moment at which the process serves again, where no other kill came between, ms. */
  readonly recoveryMs: Readonly<Record<Victim, readonly number[]>>;
  /** From the end of the taps until the hub's store held the whole journal, ms. */
  readonly drainMs: number;
  /** What a process said that ended by itself, though nobody had killed it. */
  readonly surprises: readonly string[];
  /** Exit codes of the processes when they were asked to end. */
  readonly exitCodes: readonly (number | null)[];
}

/**
 * Mean time between two kills, ms. The moments are memoryless, so some come while a process starts, or twice in a row;
 * now and then the processes get the time to find each other and to talk, as long as that takes on this machine.
 */
const meanPauseMs = { hasty: 300, calm: 1500 } as const;
const calmShare = 0.3;
/** Entries that the hub takes in during a calm pause, at least. */
const calmEntries = 4;

const pauseMs = (mean: number, random: () => number): number =>
  Math.min(5 * mean, -Math.log(1 - random()) * mean);

const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/** Kills and starts the processes of one appliance and keeps the times. */
class Executioner {
  readonly kills: Record<Victim, number> = { bridge: 0, hub: 0 };
  readonly recoveryMs: Record<Victim, number[]> = { bridge: [], hub: [] };
  readonly lives: Life[] = [];
  readonly surprises: string[] = [];
  readonly #appliance: Appliance;
  readonly #restarting: Partial<Record<Victim, Promise<void>>> = {};
  readonly #killing = new Set<Victim>();

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
    const nowMs = monotonicMs();
    this.lives.push({ bornMs: nowMs, servesMs: nowMs, killedMs: null });
  }

  async kill(victim: Victim): Promise<void> {
    const killedMs = monotonicMs();
    this.#killing.add(victim);
    const life = victim === 'bridge' ? this.lives.at(-1) : undefined;
    if (life !== undefined) life.killedMs = killedMs;
    await this.#appliance.stop(victim, 'SIGKILL');
    await this.#restarting[victim];
    this.#killing.delete(victim);
    this.kills[victim] += 1;
    this.#restarting[victim] = this.#start(victim, killedMs);
  }

  async #start(victim: Victim, killedMs: number): Promise<void> {
    const life: Life = { bornMs: monotonicMs(), servesMs: null, killedMs: null };
    if (victim === 'bridge') this.lives.push(life);
    try {
      await this.#appliance.start(victim);
    } catch (error) {
      // Killed while it started; anything else is an end of its own.
      if (!this.#killing.has(victim)) this.surprises.push(String(error));
      return;
    }
    if (this.#killing.has(victim)) return;
    this.recoveryMs[victim].push(monotonicMs() - killedMs);
    life.servesMs = monotonicMs();
  }

  /** Resolves when both serve. */
  async settle(): Promise<void> {
    await Promise.all([this.#restarting.bridge, this.#restarting.hub]);
  }
}

/**
 * Runs the whole product under continuous taps, kills bridge and hub at random moments, lets everything drain and
 * settles the accounts against what was seen from outside: taps sent, strikes released.
 */
export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const random = seededRandom(options.seed);
  const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
  try {
    return await crashIn(stateDir, options, random);
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

async function crashIn(
  stateDir: string,
  { kills, seed, onProgress }: CrashOptions,
  random: () => number,
): Promise<CrashReport> {
  const appliance = await Appliance.start({ stateDir, bridgeConfig: await writeSceneConfig(stateDir) });
  const strikes = watchStrikes(appliance.simulationDir);
  try {
    const cards = await furnishScene(appliance);
    const executioner = new Executioner(appliance);
    const visitors = new Visitors(appliance, cards, seededRandom(seed + 1));
    visitors.start();
    while (executioner.kills.bridge + executioner.kills.hub < kills) {
      const isCalm = random() < calmShare;
      await delay(pauseMs(isCalm ? meanPauseMs.calm : meanPauseMs.hasty, random));
      if (isCalm) await untilTakenIn(stateDir, calmEntries);
      const lot = random();
      const victims: Victim[] = lot < 0.45 ? ['bridge'] : lot < 0.8 ? ['hub'] : ['bridge', 'hub'];
      await Promise.all(victims.map((victim) => executioner.kill(victim)));
      onProgress?.(executioner.kills.bridge + executioner.kills.hub);
    }
    const lastKillMs = Date.now();
    await executioner.settle();
    await visitors.stop();
    const quietMs = monotonicMs();
    await untilDrained(stateDir, strikes.moves);
    const drainMs = monotonicMs() - quietMs;
    const { journal, rows, discrepancies } = await compareJournalAndStore(stateDir);
    const audit = await withStore(stateDir, verifyAudit);
    const exitCodes = [await appliance.stop('bridge'), await appliance.stop('hub')];
    return {
      kills: executioner.kills,
      taps: visitors.taps,
      releases: strikes.moves.filter((move) => move.released).length,
      grants: journal.filter((event) => event.kind === 'granted').length,
      entries: journal.length,
      entriesUnderFire: rows.filter((event) => event.receivedAtMs < lastKillMs).length,
      discrepancies,
      releasesWithoutRecord: releasesWithoutRecord(strikes.moves, journal),
      ...judgeTaps(visitors.taps, journal, executioner.lives),
      auditEntries: audit.entries,
      auditHolds: audit.ok,
      recoveryMs: executioner.recoveryMs,
      drainMs,
      surprises: executioner.surprises,
      exitCodes,
    };
  } finally {
    strikes.close();
    await appliance.close();
  }
}
