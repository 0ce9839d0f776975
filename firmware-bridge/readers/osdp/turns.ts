/** The facts about a peripheral that decide its turn. */
interface Candidate {
  /** When it needs the line, mostly for a poll. */
  dueAtMs(): number;
  /** When an order (a command or query besides polls) is due; infinity: none. */
  orderDueAtMs(): number;
  /** Polling it will most likely end in a time-out. */
  readonly isSilent: boolean;
}

/** Past turns. */
export interface TurnHistory<T> {
  readonly lastServed: T | null;
  readonly lastOrdered: T | null;
  /** Peripherals polled since the last probe of a silent one, and since the last order. */
  readonly servedSinceProbe: ReadonlySet<T>;
  readonly servedSinceOrder: ReadonlySet<T>;
}

export interface Turn<T> {
  readonly peripheral: T;
  /** When it is due; others may be due earlier by then. */
  readonly dueAtMs: number;
  /** True for an order, false for a poll. */
  readonly isOrder: boolean;
}

/** Rotates the list so that `last` comes last. */
function rotated<T>(all: readonly T[], last: T | null): readonly T[] {
  const at = last === null ? -1 : all.indexOf(last);
  return [...all.slice(at + 1), ...all.slice(0, at + 1)];
}

/** The first poll that is due by `now`, or the earliest. */
function earliestPoll<T extends Candidate>(candidates: readonly T[], now: number): Turn<T> | null {
  let found: Turn<T> | null = null;
  for (const peripheral of candidates) {
    const dueAtMs = Math.max(now, peripheral.dueAtMs());
    if (found === null || dueAtMs < found.dueAtMs) found = { peripheral, dueAtMs, isOrder: false };
  }
  return found;
}

/** The order that has been due for longest: a lamp before a level. */
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

/** The earliest turn; the first of equals. */
function firstOf<T>(turns: readonly (Turn<T> | null)[]): Turn<T> | null {
  let found: Turn<T> | null = null;
  for (const turn of turns)
    if (turn !== null && (found === null || turn.dueAtMs < found.dueAtMs)) found = turn;
  return found;
}

/**
 * Picks the next turn, round robin among those due. Once per cycle, after every live peripheral that is due was
 * polled, one silent peripheral is probed and one live peripheral gets an order: a bus full of dead readers delays a
 * card by one time-out at most, and all lamps, buzzers and levels together by one command.
 */
export function nextTurn<T extends Candidate>(
  all: readonly T[],
  taken: TurnHistory<T>,
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
