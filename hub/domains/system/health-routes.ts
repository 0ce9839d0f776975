import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Figure, HealthPart } from '#hub/platform/health/health-part.ts';
import type { Logger } from '#hub/platform/log.ts';
import { type FindingBook, statusOf } from './finding-workflow.ts';
import { type HealthReport, healthReportSchema } from './health-schema.ts';

export interface HealthReportDeps {
  readonly parts: () => readonly HealthPart[];
  readonly findings: FindingBook;
  readonly clock: Clock;
  readonly release: string;
  readonly log: Logger;
  /** Null until the hub is claimed. */
  readonly siteName: () => Promise<string | null>;
}

const toWire = ({ value, ...figure }: Figure): HealthReport['parts'][number]['figures'][number] => ({
  ...figure,
  value: figure.unit === 'time' && typeof value === 'number' ? toIso(value) : value,
});

/** Reads a part's figures; none if it fails, which is reported as a finding. */
async function figuresOf(part: HealthPart, log: Logger): Promise<HealthReport['parts'][number]> {
  const { name, title } = part;
  try {
    return { name, title, figures: ((await part.figures?.()) ?? []).map(toWire) };
  } catch (error) {
    log.debug({ err: error, part: name }, 'a part could not give its figures');
    return { name, title, figures: [] };
  }
}

/** `GET /health/detailed`: all findings and the figures of every part. */
export function healthReportEndpoint(deps: HealthReportDeps): Endpoint {
  const startedMs = deps.clock.monotonicMs();
  return defineEndpoint({
    method: 'GET',
    path: '/health/detailed',
    summary: 'What is not as it should be, with what to do about it, and the figures of every part',
    description:
      'Findings are looked for when this is asked, and every 30 seconds; `finding.changed` among the live events says when to ask again. Always 200: what is found is in `status`.',
    tag: 'system',
    access: { permission: 'system.read' },
    ratePerMinute: 120,
    response: healthReportSchema,
    refusals: [],
    async handle() {
      const findings = await deps.findings.look();
      const { clock } = deps;
      const parts = await Promise.all(deps.parts().map((part) => figuresOf(part, deps.log)));
      const body: z.input<typeof healthReportSchema> = {
        status: statusOf(findings),
        siteName: await deps.siteName(),
        release: deps.release,
        uptimeSeconds: Math.floor((clock.monotonicMs() - startedMs) / 1000),
        clock: { now: toIso(clock.nowMs()), trust: clock.trust() },
        checkedAt: toIso(deps.findings.lookedAtMs() ?? clock.nowMs()),
        findings: findings.map(({ sinceMs, ...finding }) => ({ ...finding, since: toIso(sinceMs) })),
        parts: parts.filter(({ figures }) => figures.length > 0),
      };
      return ok(body);
    },
  });
}
