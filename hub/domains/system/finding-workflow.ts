import type { Finding } from '#hub/kernel/finding.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Announce } from '#hub/store/announce.ts';

/** Time-out of a part's check; a part that exceeds it is itself a finding. */
const partTimeoutMs = 5000;
const maxFindings = 200;
/** Ids named in one announcement; a page loads everything anyway. */
const maxAnnounced = 50;

export interface Found extends Finding {
  /** UTC ms. */
  readonly sinceMs: number;
}

export interface FindingBook {
  /** Checks every part and returns all findings, the gravest first. Callers that arrive meanwhile share the next check. */
  look(): Promise<readonly Found[]>;
  /** As of the last look. */
  current(): readonly Found[];
  /** UTC ms of the last look; null before the first. */
  lookedAtMs(): number | null;
}

interface BookDeps {
  /** Those that are there at each look. */
  readonly parts: () => readonly Pick<HealthPart, 'name' | 'title' | 'findings'>[];
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly announce: Announce;
  readonly log: Logger;
  readonly timeoutMs?: number;
}

const gravity = { error: 0, warning: 1, info: 2 } as const;

/** Derives the overall state from findings; notes do not affect it. */
export const statusOf = (findings: readonly Pick<Finding, 'severity'>[]): 'ok' | 'warning' | 'error' =>
  findings.some(({ severity }) => severity === 'error')
    ? 'error'
    : findings.some(({ severity }) => severity === 'warning')
      ? 'warning'
      : 'ok';

/** Asks the parts, each on its own: one that fails or hangs hides nothing of the others. */
class Rounds {
  readonly #deps: BookDeps;
  /** Parts whose last answer is still awaited: they are not asked again meanwhile. */
  readonly #hanging = new Set<string>();

  constructor(deps: BookDeps) {
    this.#deps = deps;
  }

  async ask(): Promise<readonly Finding[]> {
    const answers = await Promise.all(this.#deps.parts().map(async (part) => await this.#askPart(part)));
    return answers.flat();
  }

  async #askPart({
    name,
    title,
    findings,
  }: ReturnType<BookDeps['parts']>[number]): Promise<readonly Finding[]> {
    if (findings === undefined) return [];
    const timeoutMs = this.#deps.timeoutMs ?? partTimeoutMs;
    const hangs: Finding = {
      id: `${name}.noAnswer`,
      severity: 'error',
      evidence: `${title}: no answer within ${timeoutMs / 1000} s when asked how it is.`,
      fix: 'Restart the hub. The doors go on meanwhile. When it comes back, send the log to whoever helps you.',
    };
    if (this.#hanging.has(name)) return [hangs];
    this.#hanging.add(name);
    const { promise: timedOut, resolve } = Promise.withResolvers<readonly Finding[]>();
    const timer = setTimeout(() => resolve([hangs]), timeoutMs);
    const answered = findings()
      .catch((cause: unknown): readonly Finding[] => {
        this.#deps.log.debug({ err: cause, part: name }, 'a part could not say how it is');
        const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
        return [
          {
            id: `${name}.failed`,
            severity: 'error',
            evidence: `${title}: could not be looked at${why}.`,
            fix: 'Look at the other findings first; then restart the hub. The doors go on meanwhile.',
          },
        ];
      })
      .finally(() => this.#hanging.delete(name));
    const found = await Promise.race([answered, timedOut]);
    clearTimeout(timer);
    return found;
  }
}

const cut = (text: string): string => (text.length <= 500 ? text : `${text.slice(0, 497)}...`);

/** By id, the gravest first, bounded; what was left out is itself a finding. */
function order(findings: readonly Finding[]): readonly Finding[] {
  const byId = new Map<string, Finding>();
  for (const { id, severity, evidence, fix } of findings)
    if (!byId.has(id)) byId.set(id, { id, severity, evidence: cut(evidence), fix: cut(fix) });
  const sorted = [...byId.values()].sort(
    (left, right) => gravity[left.severity] - gravity[right.severity] || (left.id < right.id ? -1 : 1),
  );
  if (sorted.length <= maxFindings) return sorted;
  const more: Finding = {
    id: 'findings.more',
    severity: 'warning',
    evidence: `${sorted.length - maxFindings + 1} more findings are not shown.`,
    fix: 'Deal with those shown; the others appear as they clear.',
  };
  return [...sorted.slice(0, maxFindings - 1), more];
}

/**
 * Collects what the parts of the hub find wrong. What appears, changes its severity, or is over is logged once and
 * announced as `finding.changed`.
 */
export function createFindingBook(deps: BookDeps): FindingBook {
  const rounds = new Rounds(deps);
  let known: ReadonlyMap<string, Found> = new Map();
  let lookedAtMs: number | null = null;
  let running: Promise<readonly Found[]> | null = null;
  let next: Promise<readonly Found[]> | null = null;

  function tell(before: ReadonlyMap<string, Found>, after: ReadonlyMap<string, Found>): void {
    const appeared = [...after.values()].filter(({ id, severity }) => before.get(id)?.severity !== severity);
    const cleared = [...before.values()].filter(({ id }) => !after.has(id));
    for (const { id, severity, evidence } of appeared)
      deps.log[severity === 'warning' ? 'warn' : severity]({ finding: id, evidence }, 'found');
    for (const { id } of cleared) deps.log.info({ finding: id }, 'no longer found');
    if (appeared.length + cleared.length === 0) return;
    deps.announce({
      topic: 'finding.changed',
      data: {
        appeared: appeared.slice(0, maxAnnounced).map(({ id }) => id),
        cleared: cleared.slice(0, maxAnnounced).map(({ id }) => id),
      },
    });
  }

  async function lookNow(): Promise<readonly Found[]> {
    const nowMs = deps.clock.nowMs();
    const before = known;
    const found = order(await rounds.ask()).map((finding) => ({
      ...finding,
      sinceMs: before.get(finding.id)?.sinceMs ?? nowMs,
    }));
    known = new Map(found.map((finding) => [finding.id, finding]));
    lookedAtMs = nowMs;
    tell(before, known);
    return found;
  }

  function begin(): Promise<readonly Found[]> {
    running = lookNow().finally(() => {
      running = null;
    });
    return running;
  }

  return {
    look() {
      if (running === null) return begin();
      // What happened since the running look began is seen by the next one only.
      const again = (): Promise<readonly Found[]> => {
        next = null;
        return begin();
      };
      next ??= running.then(again, again);
      return next;
    },
    current: () => [...known.values()],
    lookedAtMs: () => lookedAtMs,
  };
}
