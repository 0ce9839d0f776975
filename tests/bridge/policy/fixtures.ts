import { randomBytes } from 'node:crypto';
import { mergeRecords } from '#bridge/policy/merge.ts';
import { shareRecords } from '#bridge/policy/policy.ts';
import type { StoredPolicy } from '#bridge/policy/store.ts';
import { digestOf, numberDigestOf, pinDigestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import type { PolicyDocument } from '#hub/domains/access/decide/policy-schema.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import { encodeRecord, encodeSecret } from '#hub/domains/access/policy/record-schema.ts';
import { type CardRead, defaultPortalSettings, type PortalSettings } from '#hub/domains/access/schema.ts';
import type { CredentialStatus, MemberStatus } from '#hub/domains/members/schema.ts';
import { hashPinSync, pinHashBytes, pinSaltBytes } from '#hub/platform/pin-hash.ts';

export const testKey = Buffer.alloc(32, 7);

/** The id of the credential, and of its member, of card `number`. */
export const testIdOf = (number: number): string =>
  `01990000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** Card `1:number` in 26 bits. */
export function cardNumber(number: number): CardRead {
  const read = parseCardText(`${String(1 + Math.floor(number / 65_536))}:${String(number % 65_536)}`);
  if (!read.ok) throw new Error(read.refusal.message);
  return read.value;
}

export interface TestCard {
  readonly number: number;
  readonly status?: CredentialStatus;
  readonly memberStatus?: MemberStatus;
  readonly onHold?: boolean;
  readonly extendedAccess?: boolean;
  /** Of its member, whose number is that of the card. */
  readonly pin?: string;
  readonly duressPin?: string;
  readonly pinStatus?: CredentialStatus;
}

/** The id of the PIN of the member of card `number`. */
export const testPinIdOf = (number: number): string => testIdOf(500_000 + number);

export const makeRecord = (card: TestCard): Uint8Array =>
  factsRecord(card, digestOf(testKey, cardNumber(card.number)), testIdOf(card.number), card.status);

/** The records of a member's PIN, as the hub makes them. */
function pinRecords(card: TestCard): Uint8Array[] {
  const { number, pin, duressPin, pinStatus = 'active' } = card;
  if (pin === undefined) return [];
  const credentialId = testPinIdOf(number);
  const facts = factsRecord(card, numberDigestOf(testKey, number), credentialId, pinStatus);
  if (pinStatus !== 'active') return [facts];
  const salt = Buffer.alloc(pinSaltBytes, number);
  const hash = hashPinSync(pin, salt);
  const duressHash = duressPin === undefined ? randomBytes(pinHashBytes) : hashPinSync(duressPin, salt);
  const digest = pinDigestOf(testKey, testIdOf(number));
  return [facts, encodeSecret(digest, { credentialId, salt, hash, duressHash })];
}

const factsRecord = (
  card: TestCard,
  digest: Uint8Array,
  credentialId: string,
  status: CredentialStatus = 'active',
): Uint8Array =>
  encodeRecord(digest, {
    credentialId,
    memberId: testIdOf(card.number),
    credentialStatus: status,
    assurance: 0,
    validFromMs: null,
    validUntilMs: null,
    memberStatus: card.memberStatus ?? 'active',
    onHold: card.onHold ?? false,
    waiverMissing: false,
    extendedAccess: card.extendedAccess ?? false,
    membershipState: 'active',
    membershipFromMs: null,
    membershipUntilMs: null,
    plan: 0,
    groupSet: 0,
  });

export interface TestDocument {
  readonly settings?: Partial<PortalSettings>;
  readonly override?: PolicyDocument['portals'][number]['override'];
  readonly portalKeys?: readonly string[];
}

export const makeDocument = (changed: TestDocument = {}): PolicyDocument => ({
  format: 1,
  siteName: 'Test space',
  zone: { timeZone: 'UTC', offsets: [{ fromMs: 0, minutes: 0 }] },
  builtAtMs: 0,
  digestKey: { id: 'key-1', key: testKey.toString('base64url') },
  portals: (changed.portalKeys ?? ['front']).map((key) => ({
    id: `portal-${key}`,
    key,
    name: 'Front door',
    areaId: null,
    settings: { ...defaultPortalSettings, ...changed.settings },
    override: changed.override ?? null,
  })),
  areaParents: {},
  rules: [
    {
      id: '01990000-0000-7000-8000-00000000000a',
      name: 'Everyone',
      subject: { kind: 'everyone' },
      target: { kind: 'site' },
      windows: [],
      outsideOpeningHours: true,
      validFromMs: null,
      validUntilMs: null,
    },
  ],
  openingHours: {},
  exceptions: [],
  planIds: {},
  groupSets: {},
});

/** A whole policy with the hash that a hub would give it. */
export function makePolicy(
  cards: readonly TestCard[],
  changed: TestDocument & { readonly epoch?: number; readonly revision?: number } = {},
): StoredPolicy {
  const document = makeDocument(changed);
  const records = shareRecords(
    mergeRecords(
      new Uint8Array(0),
      Buffer.concat(cards.flatMap((card) => [makeRecord(card), ...pinRecords(card)])),
      new Set(),
    ),
  );
  const hash = policyHash(recordsSum(records), documentHash(document));
  return {
    version: { epoch: changed.epoch ?? 1, revision: changed.revision ?? 1, hash },
    document,
    records,
    withheldIds: [],
    removedIds: [],
  };
}
