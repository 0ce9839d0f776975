import type { Finding } from '#hub/kernel/finding.ts';
import { dayMs } from '#hub/kernel/time.ts';
import { DailySchedule, type DailyScheduleDeps, type DailyTurn } from './daily-schedule.ts';
import type { HealthPart } from './health/health-part.ts';
import type { Metric } from './health/metric.ts';
import { secondsInWords } from './units.ts';

/** Something that is done again and again while the hub runs. */
export type Chore = IntervalChore | DailyChore;

interface AnyChore {
  readonly name: string;
  /** The first run comes so long after the start; at once unless told. */
  readonly firstAfterMs?: number;
  /** Reads everything for damage: it also runs when somebody asks for a check of the whole store. */
  readonly isWholeCheck?: true;
  readonly run: () => Promise<void>;
}

export interface IntervalChore extends AnyChore {
  readonly everyMs: number;
  readonly dailyAt?: undefined;
}

/**
 * Runs once a day at a time by the clocks of the site, and after each start, so that a hub that is off at night does it
 * too. `isDailyDue` says what a clock that is not to be trusted does to it.
 */
export interface DailyChore extends AnyChore {
  /** `03:30`. */
  readonly dailyAt: TimeOfDay;
  readonly everyMs?: undefined;
}
type TimeOfDay = `${number}:${number}`;

export interface ChoresDeps extends DailyScheduleDeps {
  /** Told of a chore that failed; for the error report. */
  readonly onFault?: (cause: unknown, chore: string) => void;
}

export interface Chores {
  readonly part: HealthPart;
  /** No further runs; waits for those that are running. */
  stop(): Promise<void>;
}

interface ChoreState {
  runs: number;
  failures: number;
  /** Failures since the last run that went well. */
  failedInRow: number;
  lastCode: string;
  /** When the last run began, by the monotonic clock. */
  startedMs: number | null;
  isRunning: boolean;
}

const minuteMs = 60_000;
const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';

function choreFinding(
  { name, everyMs = dayMs, dailyAt }: Chore,
  state: ChoreState,
  nowMs: number,
): Finding | null {
  const runsForMs = state.isRunning && state.startedMs !== null ? nowMs - state.startedMs : 0;
  if (runsForMs > Math.max(10 * minuteMs, 2 * everyMs))
    return {
      id: `chores.hangs:${name}`,
      severity: 'warning',
      evidence: `The regular task "${name}" has been running for ${secondsInWords(runsForMs / 1000)}.`,
      fix: 'If it does not end, restart the hub; it begins again then.',
    };
  if (state.failedInRow === 0) return null;
  const again = dailyAt === undefined ? `every ${secondsInWords(everyMs / 1000)}` : `every day at ${dailyAt}`;
  return {
    id: `chores.failed:${name}`,
    severity: state.failedInRow >= 3 ? 'error' : 'warning',
    evidence: `The regular task "${name}" failed ${state.failedInRow === 1 ? 'at its last run' : `${state.failedInRow} times in a row`} (${state.lastCode}).`,
    fix: `It is tried again ${again}. If it stays, look at the other findings and send the log to whoever helps you.`,
  };
}

/**
 * Runs each chore now (or after its `firstAfterMs`) and then every `everyMs` or once a day at `dailyAt`, never twice at once.
 * One that fails is logged, found, and tried at its next turn.
 */
export function runChores(chores: readonly Chore[], deps: ChoresDeps): Chores {
  const running = new RunningChores(chores, deps);
  running.start();
  return running;
}

class RunningChores implements Chores {
  readonly part: HealthPart;
  readonly #chores: readonly Chore[];
  readonly #deps: ChoresDeps;
  readonly #daily: DailySchedule;
  readonly #states = new Map<string, ChoreState>();
  readonly #running = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(chores: readonly Chore[], deps: ChoresDeps) {
    this.#chores = chores;
    this.#deps = deps;
    this.#daily = new DailySchedule(
      chores.flatMap((chore) => (chore.dailyAt === undefined ? [] : [this.#dailyTurnOf(chore)])),
      deps,
    );
    this.part = {
      name: 'chores',
      title: 'Regular tasks',
      findings: async () => this.#findings(),
      metrics: [
        this.#counter('chore_runs_total', 'Runs of regular tasks', ({ runs }) => runs),
        this.#counter(
          'chore_failures_total',
          'Runs of regular tasks that failed',
          ({ failures }) => failures,
        ),
      ],
    };
  }

  start(): void {
    for (const chore of this.#chores) {
      const begin = (): void => {
        this.#turn(chore);
        if (chore.everyMs !== undefined)
          this.#timers.push(setInterval(() => this.#turn(chore), chore.everyMs));
      };
      if (chore.firstAfterMs === undefined) begin();
      else this.#timers.push(setTimeout(begin, chore.firstAfterMs));
    }
    this.#daily.start();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#daily.stop();
    await Promise.all(this.#running);
  }

  #turn(chore: Chore): void {
    const state = this.#stateOf(chore.name);
    if (state.isRunning) return;
    const run = this.#run(chore, state);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #run(chore: Chore, state: ChoreState): Promise<void> {
    const { clock, log, onFault } = this.#deps;
    state.isRunning = true;
    state.startedMs = clock.monotonicMs();
    state.runs += 1;
    try {
      await chore.run();
      state.failedInRow = 0;
    } catch (cause) {
      state.failures += 1;
      state.failedInRow += 1;
      state.lastCode = codeOf(cause);
      log.error({ err: cause, chore: chore.name }, 'chore failed');
      onFault?.(cause, chore.name);
    } finally {
      state.isRunning = false;
    }
  }

  #stateOf(name: string): ChoreState {
    const known = this.#states.get(name);
    if (known !== undefined) return known;
    const made = { runs: 0, failures: 0, failedInRow: 0, lastCode: '', startedMs: null, isRunning: false };
    this.#states.set(name, made);
    return made;
  }

  #dailyTurnOf(chore: DailyChore): DailyTurn {
    return {
      timeOfDay: chore.dailyAt,
      sinceRunMs: () => {
        const { startedMs } = this.#stateOf(chore.name);
        return startedMs === null ? null : this.#deps.clock.monotonicMs() - startedMs;
      },
      run: () => this.#turn(chore),
    };
  }

  #findings(): readonly Finding[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return this.#chores
      .map((chore) => choreFinding(chore, this.#stateOf(chore.name), nowMs))
      .filter((finding) => finding !== null);
  }

  #counter(name: string, help: string, read: (state: ChoreState) => number): Metric {
    return {
      kind: 'counter',
      name,
      help,
      read: () => [...this.#states].map(([chore, state]) => ({ labels: { chore }, value: read(state) })),
    };
  }
}
