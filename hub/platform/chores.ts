import type { Finding } from '#hub/kernel/finding.ts';
import type { HealthPart } from './health/health-part.ts';
import type { Logger } from './log.ts';
import { secondsInWords } from './units.ts';

/** Something that is done again and again while the hub runs. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  /** The first run comes so long after the start; at once unless told. */
  readonly firstAfterMs?: number;
  /** Reads everything for damage: it also runs when somebody asks for a check of the whole store. */
  readonly isWholeCheck?: true;
  readonly run: () => Promise<void>;
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
  startedMs: number | null;
}

const minuteMs = 60_000;
const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';

function choreFinding({ name, everyMs }: Chore, state: ChoreState, nowMs: number): Finding | null {
  const runsForMs = state.startedMs === null ? 0 : nowMs - state.startedMs;
  if (runsForMs > Math.max(10 * minuteMs, 2 * everyMs))
    return {
      id: `chores.hangs:${name}`,
      severity: 'warning',
      evidence: `The regular task "${name}" has been running for ${secondsInWords(runsForMs / 1000)}.`,
      fix: 'If it does not end, restart the hub; it begins again then.',
    };
  if (state.failedInRow === 0) return null;
  return {
    id: `chores.failed:${name}`,
    severity: state.failedInRow >= 3 ? 'error' : 'warning',
    evidence: `The regular task "${name}" failed ${state.failedInRow === 1 ? 'at its last run' : `${state.failedInRow} times in a row`} (${state.lastCode}).`,
    fix: `It is tried again every ${secondsInWords(everyMs / 1000)}. If it stays, look at the other findings and send the log to whoever helps you.`,
  };
}

/**
 * Runs each chore now (or after its `firstAfterMs`) and then every `everyMs`, never twice at once. One that fails is
 * logged, found, and tried at its next turn.
 * @param onFault a chore that failed; for the error report
 */
export function runChores(
  chores: readonly Chore[],
  log: Logger,
  onFault: (cause: unknown, chore: string) => void = () => undefined,
): Chores {
  const running = new Map<string, Promise<void>>();
  const states = new Map<string, ChoreState>();
  const stateOf = (name: string): ChoreState => {
    const known = states.get(name);
    if (known !== undefined) return known;
    const made = { runs: 0, failures: 0, failedInRow: 0, lastCode: '', startedMs: null };
    states.set(name, made);
    return made;
  };
  const run = async (chore: Chore): Promise<void> => {
    const state = stateOf(chore.name);
    state.startedMs = performance.now();
    state.runs += 1;
    try {
      await chore.run();
      state.failedInRow = 0;
    } catch (cause) {
      state.failures += 1;
      state.failedInRow += 1;
      state.lastCode = codeOf(cause);
      log.error({ err: cause, chore: chore.name }, 'chore failed');
      onFault(cause, chore.name);
    } finally {
      state.startedMs = null;
      running.delete(chore.name);
    }
  };
  const turn = (chore: Chore): void => {
    if (!running.has(chore.name)) running.set(chore.name, run(chore));
  };
  const timers: NodeJS.Timeout[] = [];
  for (const chore of chores) {
    const begin = (): void => {
      turn(chore);
      timers.push(setInterval(() => turn(chore), chore.everyMs));
    };
    if (chore.firstAfterMs === undefined) begin();
    else timers.push(setTimeout(begin, chore.firstAfterMs));
  }
  return {
    part: {
      name: 'chores',
      title: 'Regular tasks',
      findings: async () => {
        const nowMs = performance.now();
        return chores
          .map((chore) => choreFinding(chore, stateOf(chore.name), nowMs))
          .filter((finding) => finding !== null);
      },
      metrics: [
        {
          kind: 'counter',
          name: 'chore_runs_total',
          help: 'Runs of regular tasks',
          read: () => [...states].map(([chore, { runs }]) => ({ labels: { chore }, value: runs })),
        },
        {
          kind: 'counter',
          name: 'chore_failures_total',
          help: 'Runs of regular tasks that failed',
          read: () => [...states].map(([chore, { failures }]) => ({ labels: { chore }, value: failures })),
        },
      ],
    },
    async stop() {
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
