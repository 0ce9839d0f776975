import { z } from 'zod';
import type { RawEndpoint } from '#hub/http/endpoint/raw-endpoint.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Metric } from '#hub/platform/health/metric.ts';
import type { MetricsText } from '#hub/platform/health/metrics.ts';
import type { FindingBook } from './finding-workflow.ts';

export interface MetricsDeps {
  readonly parts: () => readonly Pick<HealthPart, 'metrics'>[];
  readonly findings: FindingBook;
  readonly release: string;
}

const ownMetrics = ({ findings, release }: MetricsDeps): readonly Metric[] => [
  {
    kind: 'gauge',
    name: 'findings',
    help: 'What is not as it should be, by severity, as of the last look (every 30 s)',
    read: () =>
      (['error', 'warning', 'info'] as const).map((severity) => ({
        labels: { severity },
        value: findings.current().filter((finding) => finding.severity === severity).length,
      })),
  },
  {
    kind: 'gauge',
    name: 'release_info',
    help: 'Always 1; the labels name what runs',
    read: () => [{ labels: { release, node: process.versions.node }, value: 1 }],
  },
];

/**
 * `GET /metrics` for Prometheus. What prints them is loaded by the first scrape: most hubs are never scraped, and the
 * parts count by themselves.
 */
export function metricsEndpoint(deps: MetricsDeps): RawEndpoint {
  let printer: Promise<MetricsText> | null = null;
  const load = async (): Promise<MetricsText> => {
    const { createMetricsText } = await import('#hub/platform/health/metrics.ts');
    return createMetricsText([...ownMetrics(deps), ...deps.parts().flatMap(({ metrics }) => metrics ?? [])]);
  };
  return {
    path: '/metrics',
    summary: 'Counts and durations of everything, in the text form of Prometheus',
    tag: 'system',
    access: { permission: 'system.read' },
    ratePerMinute: 60,
    mediaType: 'text/plain',
    response: z.string(),
    async serve() {
      printer ??= load();
      const text = await printer;
      return { status: 200, headers: { 'Content-Type': text.contentType }, body: await text.print() };
    },
  };
}
