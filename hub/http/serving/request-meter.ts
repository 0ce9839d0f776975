import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { Durations } from '#hub/platform/health/metric.ts';

/** Counters of one route, made once, so that a request costs an addition or two. */
export class RouteCount {
  readonly method: string;
  /** As in OpenAPI: `/api/members/{id}`; `unrouted` for everything that is no endpoint. */
  readonly route: string;
  readonly durations = new Durations();
  readonly countByStatus = new Map<number, number>();

  constructor(method: string, route: string) {
    this.method = method;
    this.route = route;
  }

  add(status: number, ms: number): void {
    this.durations.observeMs(ms);
    this.countByStatus.set(status, (this.countByStatus.get(status) ?? 0) + 1);
  }
}

/** Counts requests by route, not by path: as many series as there are endpoints. */
export class RequestMeter {
  readonly #routes: RouteCount[] = [];
  /** The page's files, and addresses that do not exist. */
  readonly unrouted = this.route('any', 'unrouted');

  route(method: string, route: string): RouteCount {
    const made = new RouteCount(method, route);
    this.#routes.push(made);
    return made;
  }

  /** Requests answered so far. */
  get answered(): number {
    return this.#countWhere(() => true);
  }

  #used(): readonly RouteCount[] {
    return this.#routes.filter(({ durations }) => durations.count > 0);
  }

  #countWhere(fits: (status: number) => boolean): number {
    let sum = 0;
    for (const { countByStatus } of this.#routes)
      for (const [status, count] of countByStatus) if (fits(status)) sum += count;
    return sum;
  }

  readonly part: HealthPart = {
    name: 'http',
    title: 'Requests',
    figures: async () => [
      { name: 'requests', title: 'Answered', unit: 'count', value: this.answered },
      {
        name: 'failures',
        title: 'Failed in the hub',
        unit: 'count',
        value: this.#countWhere((status) => status >= 500),
      },
    ],
    metrics: [
      {
        kind: 'counter',
        name: 'http_requests_total',
        help: 'Requests answered, by route template',
        read: () =>
          this.#used().flatMap(({ method, route, countByStatus }) =>
            [...countByStatus].map(([status, value]) => ({
              labels: { method, route, status: String(status) },
              value,
            })),
          ),
      },
      {
        kind: 'durations',
        name: 'http_request_duration_seconds',
        help: 'Until the answer was ready to be sent, by route template',
        read: () =>
          this.#used().map(({ method, route, durations }) => ({ labels: { method, route }, durations })),
      },
    ],
  };
}
