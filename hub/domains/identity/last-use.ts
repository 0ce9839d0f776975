import type { IdentityDeps } from './deps.ts';
import { sessionTouchMs } from './rules.ts';
import { touchSession } from './sessions/repository.ts';
import { touchToken } from './tokens/service-account-repository.ts';

/** The session or token that was used, as it was read. */
interface Used {
  readonly kind: 'session' | 'token';
  readonly id: string;
  readonly lastUsedAtMs: number | null;
}

export type Touch = (used: Used, nowMs: number, address: string) => void;

/** Records the last use at most once a minute, behind the answer: on a full disk people still see the page. */
export function createTouch(deps: Pick<IdentityDeps, 'store' | 'log'>): Touch {
  const underWay = new Set<string>();
  return ({ kind, id, lastUsedAtMs }, nowMs, address) => {
    // A clock that was set back counts too, or the session would look used for as long as it went back.
    const isFresh = lastUsedAtMs !== null && Math.abs(nowMs - lastUsedAtMs) < sessionTouchMs;
    if (isFresh || underWay.has(id)) return;
    underWay.add(id);
    deps.store
      .transact(`${kind}.touch`, (tx) =>
        kind === 'session' ? touchSession(tx, id, nowMs) : touchToken(tx, id, { atMs: nowMs, address }),
      )
      .catch((error: unknown) => deps.log.warn({ err: error }, 'the last use of a session was not recorded'))
      .finally(() => underWay.delete(id));
  };
}
