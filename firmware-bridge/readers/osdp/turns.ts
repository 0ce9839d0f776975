/** What of a peripheral decides about its turn. */
interface Candidate {
  /** When it wants the line, mostly for a poll. */
  dueAtMs(): number;
  /** When there is something to tell it, or to ask it besides; infinity = nothing. */
  orderDueAtMs(): number;
  /** Asking it will most likely cost a whole time-out. */
  readonly isSilent: boolean;
}

/** Who had a turn already. */
export interface TurnsTaken<T> {
  readonly lastServed: T | null;
  readonly lastOrdered: T | null;
  /** Who could speak since a silent peripheral was probed last, and since one was told or asked something besides. */
  readonly servedSinceProbe: ReadonlySet<T>;
  readonly servedSinceOrder: ReadonlySet<T>;
}

export interface Turn<T> {
  readonly peripheral: T;
  /** When it is served; others may be due earlier by then. */
  readonly dueAtMs: number;
  /** It is for what there is to tell or to ask besides; else for the peripheral to speak. */
  readonly isOrder: boolean;
}

/** Those after `last` first, `last` itself at the end. */
function rotated<T>(all: readonly T[], last: T | null): readonly T[] {
  const at = last === null ? -1 : all.indexOf(last);
  return [...all.slice(at + 1), ...all.slice(0, at + 1)];
}

/** Of those that are due by `now`, the first. */
function earliestPoll<T extends Candidate>(candidates: readonly T[], now: number): Turn<T> | null {
  let found: Turn<T> | null = null;
  for (const peripheral of candidates) {
    const dueAtMs = Math.max(now, peripheral.dueAtMs());
    if (found === null || dueAtMs < found.dueAtMs) found = { peripheral, dueAtMs, isOrder: false };
  }
  return found;
}

/** Of those that are due by `now`, the one that is due for the longest time: a lamp before a level. */
function earliestOrder<T extends Candidate>(candidates: readonly T[], now: number): Turn<T> | null {
  let found: { readonly peripheral: T; readonly atMs: number } | null = null;
  for (const peripheral of candidates) {
    const atMs = peripheral.orderDueAtMs();
    if (atMs < (found?.atMs ?? Number.POSITIVE_INFINITY)) found = { peripheral, atMs };
  }
  return found === null
    ? null
    : { peripheral: found.peripheral, dueAtMs: Math.max(now, found.atMs), isOrder: true };
}

/** The first of those that come earliest. */
function firstOf<T>(turns: readonly (Turn<T> | null)[]): Turn<T> | null {
  let found: Turn<T> | null = null;
  for (const turn of turns)
    if (turn !== null && (found === null || turn.dueAtMs < found.dueAtMs)) found = turn;
  return found;
}

/**
 * Who is asked next: round robin among those that are due. In a cycle, when each of those that are due had its turn to speak
 * since, one silent peripheral is asked, and one that answers is told or asked something besides: a bus full of dead readers
 * delays a card by one time-out at most, and all lamps, buzzers and levels together delay it by one command.
 */
export function nextTurn<T extends Candidate>(
  all: readonly T[],
  taken: TurnsTaken<T>,
  now: number,
): Turn<T> | null {
  const order = rotated(all, taken.lastServed);
  const live = order.filter((each) => !each.isSilent);
  const silent = order.filter((each) => each.isSilent);
  const hadTurns = (served: ReadonlySet<T>): boolean =>
    live.every((each) => served.has(each) || each.dueAtMs() > now);
  const probe = hadTurns(taken.servedSinceProbe) ? earliestPoll(silent, now) : null;
  const besides = hadTurns(taken.servedSinceOrder)
    ? earliestOrder(rotated(all, taken.lastOrdered), now)
    : null;
  return firstOf([probe, besides, earliestPoll(live, now)]);
}
