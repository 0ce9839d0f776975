/** Lifetime of an access token (JWT). Short, because only its session can be ended immediately. */
export const accessTokenLifeMs = 10 * 60_000;
/** Tolerated clock difference. */
export const accessTokenToleranceMs = 60_000;
/**
 * How long the refresh token before still gives the same answer as its first use gave: for two requests of one client
 * at the same moment, and for a client that lost the answer.
 */
export const refreshGraceMs = 30_000;

export const maxServiceAccounts = 100;
export const maxTokensPerServiceAccount = 20;

/** State of one family of refresh tokens. */
export interface RefreshState {
  readonly currentHash: string;
  /** The token before; null until the first refresh. */
  readonly hashBefore: string | null;
  readonly refreshedAtMs: number | null;
}

/**
 * What becomes of a refresh token that belongs to the family: the current one is followed by the next; the one before
 * gets its answer again for a short while; any other has been used already, so two hold it and neither is believed.
 */
export function decideRefresh(
  presentedHash: string,
  state: RefreshState,
  nowMs: number,
): 'next' | 'again' | 'reused' {
  if (presentedHash === state.currentHash) return 'next';
  if (presentedHash !== state.hashBefore || state.refreshedAtMs === null) return 'reused';
  const sinceMs = nowMs - state.refreshedAtMs;
  // A clock that was set back grants no longer grace.
  return sinceMs >= 0 && sinceMs <= refreshGraceMs ? 'again' : 'reused';
}

/** Intersects sets of permissions; null narrows nothing. */
export function narrowPermissions(
  held: Iterable<string>,
  ...scopes: readonly (readonly string[] | null)[]
): ReadonlySet<string> {
  let left: ReadonlySet<string> = new Set(held);
  for (const scope of scopes) {
    if (scope === null) continue;
    const before = left;
    left = new Set(scope.filter((permission) => before.has(permission)));
  }
  return left;
}

// Devices

const browsers: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/Chrom(e|ium)\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/.*\bSafari\//, 'Safari'],
  [/^Mozilla\//, 'A browser'],
];
const systems: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMacintosh\b/, 'Mac'],
  [/\bLinux\b/, 'Linux'],
];
const maxDeviceLength = 40;

/** `Firefox on Android` out of a User-Agent header; a program's own name; empty when it says nothing. */
export function describeDevice(userAgent: string): string {
  const nameIn = (list: typeof browsers): string | undefined =>
    list.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = nameIn(browsers);
  const system = nameIn(systems);
  if (browser !== undefined) return system === undefined ? browser : `${browser} on ${system}`;
  const [product = ''] = userAgent.split(/[\s(]/, 1);
  return product.replaceAll(/[^\w./+-]/g, '').slice(0, maxDeviceLength);
}
