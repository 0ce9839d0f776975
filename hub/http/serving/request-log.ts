import type { Logger } from '#hub/platform/log.ts';

/** A request that took longer is a warning: somebody sat and waited. */
const slowMs = 1000;

/** One answered request. Never its path or query, which may hold what was typed in; the route, and ids that are ours. */
export interface RequestFacts {
  readonly requestId: string;
  readonly method: string;
  /** As in OpenAPI: `/api/members/{id}`; `unrouted` where there is none. */
  readonly route: string;
  /** Parameters of the path. */
  readonly params: Readonly<Record<string, string>> | undefined;
  readonly status: number;
  readonly durationMs: number;
  /** Length of the body; undefined where it is streamed. */
  readonly bytes: number | undefined;
  readonly remoteAddress: string;
  readonly accountId: string | undefined;
}

const ownId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The parameters that are ids of ours; undefined when none is. */
function ownIds(params: RequestFacts['params']): Readonly<Record<string, string>> | undefined {
  if (params === undefined) return undefined;
  const ids = Object.entries(params).filter(([, value]) => ownId.test(value));
  return ids.length === 0 ? undefined : Object.fromEntries(ids);
}

/** The request's line in the log: requests of the API at `info`, of the page's files and probes at `debug`. */
export function logRequest(log: Logger, facts: RequestFacts): void {
  const isSlow = facts.durationMs > slowMs;
  const isApi = facts.route.startsWith('/api/') || facts.route.startsWith('/auth/');
  const level = isSlow ? 'warn' : isApi ? 'info' : 'debug';
  if (!log.isLevelEnabled(level)) return;
  const ids = ownIds(facts.params);
  log[level](
    {
      requestId: facts.requestId,
      method: facts.method,
      route: facts.route,
      ...(ids === undefined ? {} : { ids }),
      status: facts.status,
      durationMs: Math.round(facts.durationMs * 10) / 10,
      ...(facts.bytes === undefined ? {} : { bytes: facts.bytes }),
      remoteAddress: facts.remoteAddress,
      ...(facts.accountId === undefined ? {} : { accountId: facts.accountId }),
    },
    isSlow ? 'slow request' : 'request',
  );
}
