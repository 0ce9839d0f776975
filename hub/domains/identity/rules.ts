// Names and codes as people type them

/** The one form in which a username is stored and compared: compatibility characters folded, lower case. */
export function normaliseUsername(typed: string): string {
  return typed.trim().normalize('NFKC').toLowerCase();
}

/** 32 characters that are not mistaken for each other on a label: no 0, 1, I, O. */
export const claimAlphabet = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
export const claimCodeLength = 8;
export const claimTries = 5;
export const claimLifeMs = 15 * 60_000;

/** 8 random bytes as a claim code of 40 bits: 5 bits of each byte. */
export function bytesToClaimCode(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, claimCodeLength), (byte) => claimAlphabet.charAt(byte % 32)).join('');
}

/** `K7QF2M9X` as it is shown: `K7QF-2M9X`. */
export function groupClaimCode(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** Normalises a typed code: ignores case, blanks and dashes. */
export function normaliseClaimCode(typed: string): string {
  return typed.toUpperCase().replaceAll(/[\s\p{Dash_Punctuation}]/gu, '');
}

// Lock-out

/** The wrong tries counted for one thing, and until when it is locked. */
export interface AttemptCounter {
  readonly failures: number;
  readonly lastAtMs: number;
  readonly lockedUntilMs: number;
}

export interface LockPolicy {
  /** The failure with this number is the first that locks. */
  readonly locksAt: number;
  /** The first lock; each further failure doubles it, up to `maxLockMs`. */
  readonly baseLockMs: number;
  readonly maxLockMs: number;
  /** After so long without a wrong try, all is forgotten. */
  readonly forgetAfterMs: number;
  /** Each such time without a wrong try halves the count; undefined: it stays until it is forgotten. */
  readonly halvesAfterMs?: number;
}

const quarterHourMs = 15 * 60_000;
const hourMs = 60 * 60_000;
const lockTimes = { baseLockMs: 30_000, maxLockMs: quarterHourMs, forgetAfterMs: hourMs };
/** What many people share: typing errors of a day do not add up. */
const shared = { ...lockTimes, forgetAfterMs: 12 * hourMs, halvesAfterMs: hourMs };

/**
 * One account from one peer, or from one known device; one peer over all accounts (a kiosk is shared); one account over
 * all peers but the devices that it is known on; claims from one peer; recovery codes that one account checks.
 */
export const lockPolicies = {
  signIn: { locksAt: 5, ...lockTimes },
  device: { locksAt: 5, ...lockTimes },
  address: { locksAt: 20, ...shared },
  account: { locksAt: 30, ...shared },
  claim: { locksAt: 5, ...lockTimes },
  recovery: { locksAt: 5, ...lockTimes },
} satisfies Record<string, LockPolicy>;

export type AttemptDecision =
  | { readonly allowed: false; readonly retryAfterMs: number }
  /** `counted`: the counter with this try as a failure, to be stored before the try is looked at. */
  | { readonly allowed: true; readonly counted: AttemptCounter };

/**
 * Whether a try may be made now. It is counted as a failure at once, so that tries side by side or a crash gain
 * nothing; who succeeds is uncounted. A lock that reaches further than any lock can (the clock was set back) is void.
 */
export function decideAttempt(
  counter: AttemptCounter | null,
  policy: LockPolicy,
  nowMs: number,
): AttemptDecision {
  const leftMs = (counter?.lockedUntilMs ?? 0) - nowMs;
  if (leftMs > 0 && leftMs <= policy.maxLockMs) return { allowed: false, retryAfterMs: leftMs };
  const failures = failuresLeft(counter, policy, nowMs) + 1;
  return {
    allowed: true,
    counted: { failures, lastAtMs: nowMs, lockedUntilMs: nowMs + lockMs(failures, policy) },
  };
}

function failuresLeft(counter: AttemptCounter | null, policy: LockPolicy, nowMs: number): number {
  if (counter === null) return 0;
  const quietMs = Math.max(0, nowMs - counter.lastAtMs);
  if (quietMs >= policy.forgetAfterMs) return 0;
  const { halvesAfterMs } = policy;
  return halvesAfterMs === undefined
    ? counter.failures
    : Math.floor(counter.failures * 0.5 ** (quietMs / halvesAfterMs));
}

/** One try: the counter as it was, and with the try. */
export interface CountedTry {
  readonly before: AttemptCounter | null;
  readonly counted: AttemptCounter;
}

/**
 * The counter without a try that was no wrong one, null if none is left: as it was before, lock and all, or one less
 * where others have tried since.
 */
export function uncountAttempt(
  counter: AttemptCounter,
  tried: CountedTry,
  policy: LockPolicy,
): AttemptCounter | null {
  const { counted, before } = tried;
  if (counter.failures === counted.failures && counter.lastAtMs === counted.lastAtMs) return before;
  const failures = counter.failures - 1;
  if (failures <= 0) return null;
  return { ...counter, failures, lockedUntilMs: counter.lastAtMs + lockMs(failures, policy) };
}

function lockMs(failures: number, policy: LockPolicy): number {
  // 2 ** 30 is beyond every maximum; the bound keeps the number exact.
  const doublings = Math.min(failures - policy.locksAt, 30);
  return doublings < 0 ? 0 : Math.min(policy.baseLockMs * 2 ** doublings, policy.maxLockMs);
}

// Permissions

/** Returns the permissions in `wanted` that `held` lacks. Nobody may grant or manage permissions that they lack. */
export function permissionsBeyond(wanted: Iterable<string>, held: Iterable<string>): readonly string[] {
  const set = new Set(held);
  return [...wanted].filter((permission) => !set.has(permission));
}

/** An account's hold on the role that can do everything. */
export interface OwnerHold {
  readonly accountId: string;
  readonly active: boolean;
  /** Null: for good. */
  readonly expiresAtMs: number | null;
}

/** Checks that another active account stays owner permanently if `accountId` loses the role or is disabled. */
export function ownerRemainsWithout(accountId: string, holds: readonly OwnerHold[]): boolean {
  return holds.some((hold) => hold.accountId !== accountId && hold.active && hold.expiresAtMs === null);
}

// Sessions

/** `browser`: a cookie. `api`: a program with a family of refresh tokens, which may rest over a weekend. */
export type SessionKind = 'browser' | 'api';
export const sessionIdleMs: Readonly<Record<SessionKind, number>> = {
  browser: 12 * 60 * 60_000,
  api: 7 * 24 * 60 * 60_000,
};
export const sessionLifeMs = 30 * 24 * 60 * 60_000;
export const sessionTouchMs = 60_000;
/** Of each kind. */
export const maxSessionsPerAccount = 20;

/** Whether a session still holds: neither past its absolute end nor idle for too long. */
export function isSessionAlive(
  session: { readonly kind: SessionKind; readonly lastUsedAtMs: number; readonly expiresAtMs: number },
  nowMs: number,
): boolean {
  return nowMs < sessionEndMs(session);
}

/** When the session ends unless it is used (UTC ms). */
export function sessionEndMs(session: {
  readonly kind: SessionKind;
  readonly lastUsedAtMs: number;
  readonly expiresAtMs: number;
}): number {
  return Math.min(session.expiresAtMs, session.lastUsedAtMs + sessionIdleMs[session.kind]);
}

// Sites

/** Whether the zone is one that this system's calendar knows, by its IANA name (not a bare offset). */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
