import { Fault } from '#hub/kernel/result.ts';
import { Centre } from '../central/centre.ts';
import type { CentralConnection } from '../central/connection.ts';
import { CentralFault } from '../central/faults.ts';
import type { LinkRow } from '../repository.ts';
import type { SyncProblemCode } from '../schema.ts';
import type { BatchLimits } from './outbox-reader.ts';
import { firstBatch, Round, type RoundDeps } from './round.ts';

/** Outcome of a round, and when the next one is due. */
export interface RoundReport {
  readonly problem: { readonly code: SyncProblemCode; readonly evidence: string } | null;
  readonly nextInMs: number;
}

export interface RunnerDeps extends Omit<RoundDeps, 'centre'> {
  readonly connect: (link: LinkRow) => Promise<CentralConnection>;
  /** Between rounds that found nothing wrong, ms. */
  readonly pollMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A round after something was written here waits so long for what is written with it. */
const gatherMs = 2000;
const firstBackOffMs = 1000;
const longestBackOffMs = 300_000;
/** Trying again often helps nobody where a person has to act. */
const stoppedMs = 60_000;
const needsPerson: ReadonlySet<SyncProblemCode> = new Set<SyncProblemCode>([
  'tokenWrong',
  'roleWrong',
  'revoked',
  'fenced',
  'machineChanged',
  'hubTooNew',
  'hubTooOld',
]);

/** Rounds over one connection that is kept open; knows when the next one is due. */
export class Runner {
  readonly #deps: RunnerDeps;
  readonly #limits: { current: BatchLimits } = { current: firstBatch };
  #connection: CentralConnection | null = null;
  /** URL and authority that the connection was made with. */
  #madeFor = '';
  #failures = 0;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
  }

  /** How long after a write the next round comes. */
  get gatherMs(): number {
    return Math.min(gatherMs, this.#deps.pollMs);
  }

  /** Never rejects. */
  async runOnce(): Promise<RoundReport> {
    const problem = await this.#try();
    if (problem === null) {
      this.#failures = 0;
      return { problem, nextInMs: this.#deps.pollMs * (0.75 + 0.5 * this.#deps.random()) };
    }
    if (needsPerson.has(problem.code)) return { problem, nextInMs: stoppedMs };
    this.#failures += 1;
    const backOffMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(this.#failures - 1, 10));
    return { problem, nextInMs: backOffMs * (0.5 + this.#deps.random() / 2) };
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    await connection?.close();
  }

  async #try(): Promise<RoundReport['problem']> {
    const isKept = this.#connection !== null;
    try {
      const link = this.#deps.outbox.link();
      if (link === null) return null;
      const centre = new Centre(await this.#connected(link));
      return (await new Round({ ...this.#deps, centre }, this.#limits).run()).problem;
    } catch (error) {
      await this.close();
      // A connection that was kept may have been lost long before; that alone is no problem.
      const isLost = error instanceof CentralFault && error.code === 'centralUnreachable';
      if (isKept && isLost && !this.#deps.isStopping()) return await this.#try();
      if (error instanceof CentralFault) return { code: error.code, evidence: error.message };
      const evidence = error instanceof Error ? error.message : String(error);
      return { code: 'internal', evidence: error instanceof Fault ? `${error.code}: ${evidence}` : evidence };
    }
  }

  async #connected(link: LinkRow): Promise<CentralConnection> {
    const wanted = `${link.central_url}\n${link.central_ca ?? ''}`;
    if (this.#connection !== null && this.#connection.isOpen && this.#madeFor === wanted)
      return this.#connection;
    await this.close();
    this.#connection = await this.#deps.connect(link);
    this.#madeFor = wanted;
    return this.#connection;
  }
}
