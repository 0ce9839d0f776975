/**
 * After five wrong PINs in a row a reader is locked out for a minute, and each further time for twice as long, up to
 * a quarter of an hour. It limits the reader, never a member: nobody can be shut out by somebody who knows their
 * number. Pure; times are monotonic ms of this run.
 */
export const wrongPinsAllowed = 5;
export const rowMs = 10 * 60_000;
export const firstLockMs = 60_000;
export const longestLockMs = 15 * 60_000;

export interface Lockout {
  /** Wrong PINs in a row, since the last lock if there was one. */
  readonly wrong: number;
  /** Time of the first of them. */
  readonly rowSinceMs: number;
  /** Locks since the last right PIN. */
  readonly locks: number;
  readonly lockedUntilMs: number;
}
export const noLockout: Lockout = {
  wrong: 0,
  rowSinceMs: 0,
  locks: 0,
  lockedUntilMs: Number.NEGATIVE_INFINITY,
};

export const lockLeftMs = ({ lockedUntilMs }: Lockout, nowMs: number): number =>
  Math.max(0, lockedUntilMs - nowMs);

const lengthOf = (locks: number): number => Math.min(firstLockMs * 2 ** (locks - 1), longestLockMs);

/** Counts one more wrong PIN. */
export function countWrongPin(before: Lockout, nowMs: number): Lockout {
  const isNewRow = before.wrong === 0 || nowMs - before.rowSinceMs > rowMs;
  const wrong = isNewRow ? 1 : before.wrong + 1;
  const rowSinceMs = isNewRow ? nowMs : before.rowSinceMs;
  if (wrong < wrongPinsAllowed) return { ...before, wrong, rowSinceMs };
  const locks = before.locks + 1;
  return { wrong: 0, rowSinceMs: 0, locks, lockedUntilMs: nowMs + lengthOf(locks) };
}

/** A lock-out as stored on the disk, by the wall clock. */
export interface StoredLockout {
  readonly wrong: number;
  readonly rowSinceWallMs: number;
  readonly locks: number;
  readonly lockedUntilWallMs: number | null;
  /** Whether the time was known when it was written. */
  readonly timeKnown: boolean;
}

export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly timeKnown: boolean;
}

export function toStored(lockout: Lockout, now: Moment): StoredLockout {
  const leftMs = lockLeftMs(lockout, now.monotonicMs);
  return {
    wrong: lockout.wrong,
    rowSinceWallMs: Math.round(now.wallMs - (now.monotonicMs - lockout.rowSinceMs)),
    locks: lockout.locks,
    lockedUntilWallMs: leftMs === 0 ? null : Math.round(now.wallMs + leftMs),
    timeKnown: now.timeKnown,
  };
}

/**
 * Restores a lock-out after a restart. If the time is unknown, then or now, the row of wrong PINs has just begun and
 * a lock starts over at its full length: the count survives, and pulling the plug gains nothing.
 */
export function fromStored(stored: StoredLockout, now: Moment): Lockout {
  const { wrong, locks, lockedUntilWallMs } = stored;
  const isKnown = stored.timeKnown && now.timeKnown;
  const rowAgeMs = isKnown ? Math.max(0, now.wallMs - stored.rowSinceWallMs) : 0;
  const wholeMs = locks === 0 ? 0 : lengthOf(locks);
  const leftMs =
    lockedUntilWallMs === null
      ? 0
      : isKnown
        ? Math.min(Math.max(0, lockedUntilWallMs - now.wallMs), wholeMs)
        : wholeMs;
  return {
    wrong,
    rowSinceMs: now.monotonicMs - rowAgeMs,
    locks,
    lockedUntilMs: leftMs === 0 ? Number.NEGATIVE_INFINITY : now.monotonicMs + leftMs,
  };
}
