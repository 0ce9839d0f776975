import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type Durations, durationBounds, type Metric } from './metric.ts';

const prefix = 'makrcave_';
/** Every 50 ms is enough to see a loop that stands still, and wakes a quiet box five times less than the default. */
const eventLoopPrecisionMs = 50;

interface Printed {
  readonly metricName?: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

function printDurations(
  name: string,
  labels: Readonly<Record<string, string>>,
  durations: Durations,
): Printed[] {
  const printed: Printed[] = [];
  let below = 0;
  for (const [index, bound] of durationBounds.entries()) {
    below += durations.counts[index] ?? 0;
    printed.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below });
  }
  return [
    ...printed,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: durations.count },
    { metricName: `${name}_sum`, labels: { ...labels }, value: durations.sumSeconds },
    { metricName: `${name}_count`, labels: { ...labels }, value: durations.count },
  ];
}

/** A metric of ours under prom-client: it prints what the part has counted, at the moment when it is asked. */
class CountedElsewhere extends Gauge {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly #metric: Metric;

  constructor(metric: Metric, registry: Registry) {
    super({ name: prefix + metric.name, help: metric.help, registers: [registry] });
    this.type = metric.kind === 'durations' ? 'histogram' : metric.kind;
    this.#metric = metric;
  }

  override async get(): ReturnType<Gauge['get']> {
    const metric = this.#metric;
    const values: Printed[] =
      metric.kind === 'durations'
        ? metric
            .read()
            .flatMap(({ labels, durations }) => printDurations(prefix + metric.name, labels ?? {}, durations))
        : metric.read().map(({ labels, value }) => ({ labels: { ...labels }, value }));
    return { ...(await super.get()), values };
  }
}

export interface MetricsText {
  readonly contentType: string;
  print(): Promise<string>;
}

/** The metrics in Prometheus' text form (0.0.4): those of the process and of Node, and `metrics`. Names must differ. */
export function createMetricsText(metrics: readonly Metric[]): MetricsText {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopPrecisionMs });
  for (const metric of metrics) void new CountedElsewhere(metric, registry);
  return { contentType: registry.contentType, print: () => registry.metrics() };
}
