import {
  digestOf,
  numberDigestOf,
  ownerDigestOf,
  pinDigestOf,
} from '#hub/domains/access/cards/digest-rules.ts';
import type {
  CredentialFacts,
  PolicyDocument,
  PolicyPortal,
  PolicyVersion,
} from '#hub/domains/access/decide/policy-schema.ts';
import { isOneMember } from '#hub/domains/access/decide/rules.ts';
import {
  decodeRecord,
  decodeSecret,
  digestBytes,
  findRecord,
  isSecret,
  isShared,
  ownersAt,
  type PinSecret,
} from '#hub/domains/access/policy/record-schema.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { isClockTrusted } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';

/** A complete, immutable policy: a new one replaces it as a whole. */
export interface Policy {
  readonly version: PolicyVersion;
  readonly document: PolicyDocument;
  /** Credential records sorted by digest, in memory shared between threads. */
  readonly records: Uint8Array<SharedArrayBuffer>;
  /** Credentials that a restored hub would open again; they stay shut until staff approve. */
  readonly withheldIds: readonly string[];
}

export interface Lookup {
  readonly digest: Uint8Array;
  /** Every credential that was perhaps presented. Empty: the policy does not contain the card or number. */
  readonly owners: readonly CredentialFacts[];
  /** The only one that it can have been. */
  readonly credential: CredentialFacts | undefined;
  /** Whose it is; null when unknown, or when it may be one of several members. */
  readonly memberId: string | null;
}

const lookupOf = (digest: Uint8Array, owners: readonly CredentialFacts[]): Lookup => ({
  digest,
  owners,
  credential: owners.length === 1 ? owners[0] : undefined,
  memberId: isOneMember(owners) ? (owners[0]?.memberId ?? null) : null,
});

/** A policy with the lookups that the door thread needs. */
export class PolicyView {
  readonly policy: Policy;
  readonly #digestKey: Buffer;
  readonly #portals: ReadonlyMap<string, PolicyPortal>;
  readonly #withheld: ReadonlySet<string>;

  constructor(policy: Policy) {
    this.policy = policy;
    this.#digestKey = Buffer.from(policy.document.digestKey.key, 'base64url');
    this.#portals = new Map(policy.document.portals.map((portal) => [portal.key, portal]));
    this.#withheld = new Set(policy.withheldIds);
  }

  portal(key: string): PolicyPortal | undefined {
    return this.#portals.get(key);
  }

  lookUp(read: CardRead): Lookup {
    const digest = digestOf(this.#digestKey, read).subarray(0, digestBytes);
    const { records } = this.policy;
    const offset = findRecord(records, digest);
    if (offset < 0 || !isShared(records, offset)) return lookupOf(digest, this.#factsAt(offset));
    const owners = Array.from({ length: ownersAt(records, offset) }, (_, index) =>
      findRecord(records, ownerDigestOf(this.#digestKey, read, index + 1)),
    ).flatMap((owner) => this.#factsAt(owner));
    // With an owner missing, nobody could say that all may pass: the shared record itself reads as a retired card.
    const isWhole = owners.length > 0 && owners.length === ownersAt(records, offset);
    return lookupOf(digest, isWhole ? owners : this.#factsAt(offset));
  }

  /** Looks up the PIN of the member with this number: its facts, not its secret. */
  lookUpNumber(memberNumber: number): Lookup {
    const digest = numberDigestOf(this.#digestKey, memberNumber);
    return lookupOf(digest, this.#factsAt(findRecord(this.policy.records, digest)));
  }

  /** The secret to check this member's PIN against; null: no PIN of theirs may open. */
  pinOf(memberId: string): PinSecret | null {
    const { records } = this.policy;
    const offset = findRecord(records, pinDigestOf(this.#digestKey, memberId));
    const secret = offset < 0 ? null : decodeSecret(records, offset);
    return secret === null || this.#withheld.has(secret.credentialId) ? null : secret;
  }

  /** The facts in the record at `offset`; none when there is no record, or when it is a PIN's. */
  #factsAt(offset: number): readonly CredentialFacts[] {
    const { records, document } = this.policy;
    if (offset < 0 || isSecret(records, offset)) return [];
    const facts = decodeRecord(records, offset, document);
    return [this.#withheld.has(facts.credentialId) ? { ...facts, credentialStatus: 'suspended' } : facts];
  }
}

/** The hub's last confirmation that the policy is current. */
export interface Confirmation {
  /** UTC ms. */
  readonly wallMs: number;
  /** Whether the clock was trusted then. */
  readonly trusted: boolean;
}

/**
 * The age of the policy since its last confirmation: by the monotonic clock within one boot, by the wall clock across
 * a restart, unknown if that cannot be trusted.
 */
export class PolicyAge {
  readonly #clock: Clock;
  #atMonotonicMs: number | null = null;
  readonly #stored: Confirmation | null;

  constructor(clock: Clock, stored: Confirmation | null) {
    this.#clock = clock;
    this.#stored = stored;
  }

  /** @param agoMs how long ago the confirmation came */
  confirm(agoMs = 0): void {
    this.#atMonotonicMs = this.#clock.monotonicMs() - agoMs;
  }

  ageMs(): number | null {
    if (this.#atMonotonicMs !== null) return Math.max(0, this.#clock.monotonicMs() - this.#atMonotonicMs);
    if (this.#stored === null || !this.#stored.trusted || !isClockTrusted(this.#clock.trust())) return null;
    return Math.max(0, this.#clock.nowMs() - this.#stored.wallMs);
  }
}

export const emptyRecords = (): Uint8Array<SharedArrayBuffer> => new Uint8Array(new SharedArrayBuffer(0));

/** Copies `records` into shared memory. */
export function shareRecords(records: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const shared = new Uint8Array(new SharedArrayBuffer(records.length));
  shared.set(records);
  return shared;
}
