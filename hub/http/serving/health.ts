import { z } from 'zod';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { RawEndpoint } from '../endpoint/raw-endpoint.ts';

/** A probe that has not answered by then has failed. */
const probeTimeoutMs = 2000;

export const healthSchema = z.strictObject({
  status: z.enum(['ok', 'failing']),
  /** Names of the probes that failed; nothing more is said to somebody who has not signed in. */
  failing: z.array(z.string()),
  release: z.string(),
  uptimeSeconds: z.number().int(),
});

export interface HealthDeps {
  /** Probes by name, for example `store`; one that rejects or hangs fails. */
  readonly probes: Readonly<Record<string, () => Promise<unknown>>>;
  readonly release: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timeoutMs?: number;
}

async function isHealthy(probe: () => Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  probe().then(
    () => resolve(true),
    () => resolve(false),
  );
  const well = await promise;
  clearTimeout(timer);
  return well;
}

/** `GET /health`: 200 when every probe answers, else 503. */
export function healthEndpoint(deps: HealthDeps): RawEndpoint {
  const startedMs = deps.clock.monotonicMs();
  return {
    path: '/health',
    summary: 'Whether the hub is well',
    tag: 'system',
    access: { open: 'says well or not, and names no person and no thing' },
    ratePerMinute: 120,
    mediaType: 'application/json',
    response: healthSchema,
    otherStatuses: { 503: 'Failing' },
    async serve() {
      const results = await Promise.all(
        Object.entries(deps.probes).map(
          async ([name, probe]) => [name, await isHealthy(probe, deps.timeoutMs ?? probeTimeoutMs)] as const,
        ),
      );
      const failing = results.filter(([, well]) => !well).map(([name]) => name);
      const health: z.input<typeof healthSchema> = {
        status: failing.length === 0 ? 'ok' : 'failing',
        failing,
        release: deps.release,
        uptimeSeconds: Math.floor((deps.clock.monotonicMs() - startedMs) / 1000),
      };
      return {
        status: failing.length === 0 ? 200 : 503,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(healthSchema.parse(health)),
      };
    },
  };
}
