import { createHash } from 'node:crypto';
import { accessChecks } from '#hub/domains/access/schema.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';

/** Columns of an access event as they are replicated, in the order of `BenchEvent`. */
export const eventColumns = [
  'id',
  'bridge_id',
  'journal_id',
  'seq',
  'kind',
  'at_ms',
  'clock_trust',
  'portal_id',
  'reader_key',
  'credential_id',
  'member_id',
  'digest',
  'reason',
  'details',
  'created_at_ms',
] as const;
/** One access event, a value for each of `eventColumns`. */
export type BenchEvent = readonly (string | number | null)[];

const members = 10_000;
const yearMs = 365 * 86_400_000;
export const yearStartMs = Date.parse('2026-01-01T00:00:00Z');
const doors = ['front', 'workshop', 'wood', 'metal', 'laser', 'storage'] as const;
/** Those that a plain card at a plain door goes through. */
const checkNames: readonly string[] = accessChecks.filter(
  (name) => !/^(journalWritable|attemptsLeft|pin)/.test(name),
);
/** A million in a year. */
const betweenEventsMs = yearMs / 1_000_000;
const betweenBootsMs = yearMs / 26;
const betweenPolicyChangesMs = yearMs / 2000;

const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0');

/** A UUIDv7 of this time. */
export function uuidAt(atMs: number, random: () => number): string {
  const time = hex(Math.floor(atMs), 12);
  const low = (): string => hex(Math.floor(random() * 0x1_00_00), 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${low().slice(1)}-8${low().slice(1)}-${low()}${low()}${low()}`;
}

interface Holder {
  readonly memberId: string;
  readonly credentialId: string;
  readonly digest: string;
}

function makeHolders(random: () => number): readonly Holder[] {
  return Array.from({ length: members }, (_, index) => {
    const joinedMs = yearStartMs - yearMs + index * 60_000;
    const digest = createHash('md5').update(String(index)).digest('hex');
    return { memberId: uuidAt(joinedMs, random), credentialId: uuidAt(joinedMs + 1000, random), digest };
  });
}

const checksUpTo = (failed: string | null): readonly { check: string; passed: boolean }[] => {
  const end = failed === null ? checkNames.length : checkNames.indexOf(failed) + 1;
  return checkNames.slice(0, end).map((check) => ({ check, passed: check !== failed }));
};
const allPassed = checksUpTo(null);
const refusals = [
  { reason: 'timeWindow', checks: checksUpTo('withinTimeWindow') },
  { reason: 'noPermission', checks: checksUpTo('rulePermits') },
] as const;

/**
 * The first events of a year that has a million, with 10,000 members, a card each, at six doors, as the product writes
 * them: people who are let in and go through, leave, are refused, and doors that staff open from afar. The same for the
 * same seed.
 */
export function* benchEvents(count: number, seed = 1): Generator<BenchEvent> {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const holders = makeHolders(random);
  const portals = doors.map((key) => ({ key, id: uuidAt(yearStartMs, random) }));
  const rules = Array.from({ length: 4 }, () => uuidAt(yearStartMs, random));
  const bridgeId = uuidAt(yearStartMs, random);
  const journalId = uuidAt(yearStartMs, random);
  let bootId = uuidAt(yearStartMs, random);
  let lastGrant: {
    readonly holder: Holder;
    readonly portal: (typeof portals)[number];
    readonly seq: number;
  } | null = null;
  for (let seq = 1; seq <= count; seq += 1) {
    const sinceMs = Math.floor((seq + random()) * betweenEventsMs);
    const atMs = yearStartMs + sinceMs;
    const monotonicMs = 4000 + Math.floor(sinceMs % betweenBootsMs);
    if (monotonicMs < 4000 + betweenEventsMs) bootId = uuidAt(atMs, random);
    const policyRevision = 1 + Math.floor(sinceMs / betweenPolicyChangesMs);
    const event = (
      kind: string,
      portal: (typeof portals)[number],
      holder: Holder | null,
      details: object,
      reason: string | null = null,
    ): BenchEvent => [
      uuidAt(atMs, random),
      bridgeId,
      journalId,
      seq,
      kind,
      atMs,
      'ntp',
      portal.id,
      holder === null ? null : `${portal.key}-reader`,
      holder?.credentialId ?? null,
      holder?.memberId ?? null,
      holder?.digest ?? null,
      reason,
      JSON.stringify({ bootId, monotonicMs, portalKey: portal.key, ...details }),
      atMs + 100 + Math.floor(random() * 100),
    ];
    if (lastGrant !== null) {
      const { holder, portal, seq: followsSeq } = lastGrant;
      lastGrant = null;
      yield event('entered', portal, holder, { mode: 'controlled', followsSeq });
      continue;
    }
    const portal = pick(portals);
    const policy = { mode: 'controlled', policyEpoch: 1, policyRevision };
    const chance = random();
    if (chance < 0.7) {
      const holder = pick(holders);
      lastGrant = { holder, portal, seq };
      yield event('granted', portal, holder, { checks: allPassed, ruleId: pick(rules), ...policy });
    } else if (chance < 0.92) {
      yield event('egress', portal, null, { mode: 'controlled' });
    } else if (chance < 0.97) {
      const { reason, checks } = pick(refusals);
      yield event('denied', portal, pick(holders), { checks, ...policy }, reason);
    } else {
      yield event('remoteGranted', portal, null, { mode: 'controlled', commandId: uuidAt(atMs, random) });
    }
  }
}
