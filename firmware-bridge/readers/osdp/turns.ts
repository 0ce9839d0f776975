/** What of a peripheral decides about its turn. */
interface Candidate {
  /** When it wants the line. */
  dueAtMs(): number;
  /** Asking it will most likely cost a whole time-out. */
  readonly isSilent: boolean;
}

export interface Turn<T> {
  readonly peripheral: T;
  /** When it is served; others may be due earlier by then. */
  readonly dueAtMs: number;
}

/** Those after `last` first, `last` itself at the end. */
function rotated<T>(all: readonly T[], last: T | null): readonly T[] {
  const at = last === null ? -1 : all.indexOf(last);
  return [...all.slice(at + 1), ...all.slice(0, at + 1)];
}

function earliest<T extends Candidate>(candidates: readonly T[], now: number): Turn<T> | null {
  let found: Turn<T> | null = null;
  for (const peripheral of candidates) {
    const dueAtMs = Math.max(now, peripheral.dueAtMs());
    if (found === null || dueAtMs < found.dueAtMs) found = { peripheral, dueAtMs };
  }
  return found;
}

/**
 * Who is asked next: round robin among those that are due. Of all silent peripherals together one is asked in a cycle, when
 * each of the others that are due had its turn since: a bus full of dead readers delays a card by one time-out at most.
 */
export function nextTurn<T extends Candidate>(
  all: readonly T[],
  last: T | null,
  servedSinceProbe: ReadonlySet<T>,
  now: number,
): Turn<T> | null {
  const order = rotated(all, last);
  const live = order.filter((each) => !each.isSilent);
  const silent = order.filter((each) => each.isSilent);
  const mayProbe = live.every((each) => servedSinceProbe.has(each) || each.dueAtMs() > now);
  const probe = mayProbe ? earliest(silent, now) : null;
  const next = earliest(live, now);
  if (probe !== null && probe.dueAtMs <= now) return probe;
  if (next === null || probe === null) return next ?? probe;
  return probe.dueAtMs < next.dueAtMs ? probe : next;
}
