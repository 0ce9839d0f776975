import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { RecentCount } from '#hub/platform/health/recent-count.ts';
import type { Idempotency } from './idempotency.ts';

const keptMs = 60 * 60_000;

/** Warns when answers are dropped before their retention is over. */
export function idempotencyHealth(
  idempotency: Pick<Idempotency, 'droppedEarly'>,
  clock: Pick<Clock, 'monotonicMs'>,
): HealthPart {
  const dropped = new RecentCount(keptMs);
  return {
    name: 'repetitions',
    title: 'Repeated requests',
    findings: async () => {
      const count = dropped.update(idempotency.droppedEarly, clock.monotonicMs());
      if (count === 0) return [];
      return [
        {
          id: 'repetitions.full',
          severity: 'warning',
          evidence: `${count} answers that are kept for a repetition with the same Idempotency-Key went before their 24 hours were over within the last hour: there is room for 100,000 of them and 64 MiB.`,
          fix: 'Look which program sends so many writes; one that sends many at once uses the bulk addresses, with one key for all.',
        },
      ];
    },
  };
}
