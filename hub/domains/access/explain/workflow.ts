import { loadAdmissionFacts, loadMemberNames } from '#hub/domains/members/workflow.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { isClockTrusted, toIso } from '#hub/kernel/time.ts';
import type { Reader } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal } from '#hub/store/written.ts';
import { digestOf, ownerDigestOf, pinDigestOf } from '../cards/digest-rules.ts';
import { type ReaderFit, whyUnreadable } from '../cards/reader-fit-rules.ts';
import { findCardsOfMember, findCredential, findReadings } from '../cards/repository.ts';
import { type CardRefusal, readCardText } from '../cards/workflow.ts';
import { findBridgeStatuses } from '../controllers/repository.ts';
import { wordChecks, wordDecision } from '../decide/event-rules.ts';
import type { CredentialFacts, PolicyDocument, PolicyPortal } from '../decide/policy-schema.ts';
import { type AccessMoment, cardAlone, decideAmong, isOneMember, type Proof } from '../decide/rules.ts';
import { plannedModeAt, waysInAt } from '../decide/schedule-rules.ts';
import { findNamedPortal } from '../doors/named-workflow.ts';
import { decodeRecord, isSecret, isShared, ownersAt } from '../policy/record-schema.ts';
import {
  findDocument,
  findPolicyState,
  findRecordByDigest,
  findRecordsOf,
  findSets,
  type PolicySet,
} from '../policy/repository.ts';
import type { CardRead } from '../schema.ts';
import type { ExplainDeps } from './deps.ts';
import type { CheckAnswer, CheckRequest } from './schema.ts';

export type ExplainRefusal =
  | FieldRefusal<
      'portalUnknown' | 'portalAmbiguous' | 'memberUnknown' | 'credentialUnknown' | 'readerCannotRead'
    >
  | CardRefusal;

/** The facts that a bridge has of a credential without a reading, such as a PIN. */
const findFactsRecord = async (read: Reader, set: PolicySet, credentialId: string) =>
  (await findRecordsOf(read, set, [credentialId])).find(
    ({ record }) => !isSecret(record, 0) && !isShared(record, 0),
  );

/** The facts of every card that this reading may be of, as the bridge finds them. */
async function findOwners(
  reader: Reader,
  set: PolicySet,
  document: PolicyDocument,
  read: CardRead,
): Promise<readonly CredentialFacts[]> {
  const found = await findRecordByDigest(reader, set, digestOf(set.key, read));
  if (found === null) return [];
  if (!isShared(found.record, 0)) return [decodeRecord(found.record, 0, document)];
  const owners: CredentialFacts[] = [];
  for (let place = 1; place <= ownersAt(found.record, 0); place += 1) {
    const owner = await findRecordByDigest(reader, set, ownerDigestOf(set.key, read, place));
    if (owner !== null) owners.push(decodeRecord(owner.record, 0, document));
  }
  const isWhole = owners.length > 0 && owners.length === ownersAt(found.record, 0);
  return isWhole ? owners : [decodeRecord(found.record, 0, document)];
}

/**
 * How they would show it: a card as it is, with its PIN where that is asked about; a PIN by the number and by itself.
 */
async function proofOf(
  read: Reader,
  set: PolicySet,
  owners: readonly CredentialFacts[],
  withPin: boolean,
): Promise<Proof> {
  const [facts] = owners;
  if (facts === undefined || !isOneMember(owners)) return cardAlone;
  const isPin = (await findCredential(read, facts.credentialId))?.kind === 'pin';
  const hasPin = (await findRecordByDigest(read, set, pinDigestOf(set.key, facts.memberId))) !== null;
  return { by: isPin ? 'number' : 'card', pin: hasPin && (isPin || withPin) ? 'right' : 'none', hasPin };
}

/**
 * The facts of all who perhaps present this card at one of these readers. Of its readings that one is taken which a reader
 * there delivers, and which is no other card's where there is a choice. Null: none of them can read it.
 */
async function findOwnersOf(
  reader: Reader,
  set: PolicySet,
  document: PolicyDocument,
  readers: readonly ReaderFit[],
  credentialId: string,
): Promise<readonly CredentialFacts[] | null> {
  const readings = await findReadings(reader, [credentialId]);
  if (readings.length === 0) {
    const found = await findFactsRecord(reader, set, credentialId);
    return found === undefined ? [] : [decodeRecord(found.record, 0, document)];
  }
  let shared: readonly CredentialFacts[] | null = null;
  for (const { read } of readings.filter((known) => whyUnreadable(readers, known.read) === null)) {
    const owners = await findOwners(reader, set, document, read);
    if (owners.length === 1) return owners;
    shared ??= owners;
  }
  return shared;
}

const unreadable = (field: string) =>
  refuse(fieldRefusal('readerCannotRead', field, 'has no card that a reader there can read'));

/** The facts of all who perhaps ask, as the bridge of the door has them; none: the card is not known there. */
async function findFacts(
  deps: ExplainDeps,
  request: CheckRequest,
  set: PolicySet,
  document: PolicyDocument,
  readers: readonly ReaderFit[],
): Promise<Result<readonly CredentialFacts[], ExplainRefusal>> {
  const { read } = deps.store;
  if (request.card !== undefined) {
    const card = readCardText(request.card);
    if (!card.ok) return card;
    const why = whyUnreadable(readers, card.value);
    if (why !== null) return refuse(fieldRefusal('readerCannotRead', 'card', why));
    return ok(await findOwners(read, set, document, card.value));
  }
  if (request.credentialId !== undefined) {
    if ((await findCredential(read, request.credentialId)) === null)
      return refuse(fieldRefusal('credentialUnknown', 'credentialId', 'is no card'));
    const owners = await findOwnersOf(read, set, document, readers, request.credentialId);
    return owners === null ? unreadable('credentialId') : ok(owners);
  }
  const memberId = request.memberId ?? '';
  const admission = (await loadAdmissionFacts(read, [memberId], deps.clock.nowMs())).get(memberId);
  if (admission === undefined) return refuse(fieldRefusal('memberUnknown', 'memberId', 'is no member'));
  const cards = await findCardsOfMember(read, memberId, 200);
  const opens = cards.filter((card) => card.status === 'active' || card.status === 'temporary');
  for (const card of opens.length > 0 ? opens : cards.slice(0, 1)) {
    const owners = await findOwnersOf(read, set, document, readers, card.id);
    if (owners !== null) return ok(owners);
  }
  if (cards.length > 0) return unreadable('memberId');
  // Nobody without a card passes, but by a number and PIN; the question is what would be with a card.
  const credential = { credentialId: '', credentialStatus: 'active', assurance: 0 } as const;
  return ok([{ ...admission, ...credential, validFromMs: null, validUntilMs: null }]);
}

function momentOf(
  deps: ExplainDeps,
  request: CheckRequest,
  bridgeId: string,
  document: PolicyDocument,
  portalId: string,
  lastSeenAtMs: number | null,
): AccessMoment | null {
  const portal = document.portals.find((candidate) => candidate.id === portalId);
  if (portal === undefined) return null;
  const nowMs = deps.clock.nowMs();
  const wallMs = request.at === undefined ? nowMs : Date.parse(request.at);
  const live = deps.live.get(bridgeId)?.state ?? null;
  const planned = plannedModeAt(portal, document.zone, wallMs);
  const connected = deps.link.isConnected(bridgeId);
  return {
    wallMs,
    // Another time than now is asked about as if the clock were right then.
    clockTrust: request.at === undefined ? (live?.clockTrust ?? 'hub') : 'ntp',
    policyAgeMs: connected || lastSeenAtMs === null ? 0 : Math.max(0, nowMs - lastSeenAtMs),
    mode:
      request.at === undefined
        ? (live?.portals.find((candidate) => candidate.key === portal.key)?.mode ?? planned)
        : planned,
    journalWritable: live?.journal.writable ?? true,
  };
}

/** Why a door asks a card for a PIN. */
function wordAsking(portal: PolicyPortal, document: PolicyDocument, at: AccessMoment) {
  const ways = waysInAt(portal.settings, document.zone, at.wallMs, isClockTrusted(at.clockTrust));
  const because = ways.card
    ? 'it demands more than the number of a card'
    : portal.settings.identificationWindows.length === 0
      ? 'a card alone is not enough there'
      : isClockTrusted(at.clockTrust)
        ? 'a card alone is not enough there at this time'
        : 'it does not know the time, and at some times a card alone is not enough there';
  return {
    sentence: `The door asks for a PIN, because ${because}; with the right one it opens.`,
    nextStep: 'Type the PIN after the card, then #.',
  };
}

/** What a door would say, from the same function and the same facts as the door itself has. */
export async function explainAccess(
  deps: ExplainDeps,
  request: CheckRequest,
): Promise<Result<CheckAnswer, ExplainRefusal | Refusal<'noPolicy' | 'noReader'>>> {
  const { read } = deps.store;
  const named = await findNamedPortal(read, request);
  if (!named.ok) return named;
  const portalRow = named.value;
  const { bridgeId } = portalRow;
  const set = (await findSets(read, bridgeId)).find((candidate) => candidate.current);
  const stored = await findDocument(read, bridgeId);
  if (set === undefined || stored === null) return refuse({ code: 'noPolicy' });
  const { document } = stored;
  const asked = portalRow.readers.filter((key) => (request.readerKey ?? key) === key);
  if (request.readerKey !== undefined && asked.length === 0) return refuse({ code: 'noReader' });
  // Not known while the controller is away: then nothing is ruled out.
  const readers = (deps.live.get(bridgeId)?.state?.readers ?? []).filter(({ key }) => asked.includes(key));
  const facts = await findFacts(deps, request, set, document, readers);
  if (!facts.ok) return facts;
  const status = (await findBridgeStatuses(read)).get(bridgeId);
  const at = momentOf(deps, request, bridgeId, document, portalRow.id, status?.lastSeenAtMs ?? null);
  const portal = document.portals.find((candidate) => candidate.id === portalRow.id);
  if (portal === undefined || at === null) return refuse({ code: 'noPolicy' });
  const proof = await proofOf(read, set, facts.value, request.withPin);
  const decision = decideAmong(document, portal, facts.value, at, proof);
  const rule = document.rules.find((candidate) => candidate.id === decision.ruleId) ?? null;
  const { epoch } = await findPolicyState(read);
  const applied = status?.applied ?? null;
  const asksForPin = decision.reason === 'pinRequired' && proof.by === 'card';
  const why = asksForPin ? wordAsking(portal, document, at) : wordDecision(decision, rule?.name ?? null);
  return ok({
    granted: decision.granted,
    asksForPin,
    reason: decision.reason,
    message: why.sentence,
    why,
    checks: wordChecks(decision.checks),
    rule: rule === null ? null : { id: rule.id, name: rule.name },
    portal: { id: portal.id, name: portal.name },
    ...(await namesOf(deps, facts.value)),
    at: toIso(at.wallMs),
    mode: at.mode,
    extendedAccess: decision.extended,
    appliedAtPortal: applied !== null && applied.epoch === epoch && applied.revision >= stored.revision,
  });
}

async function namesOf(
  deps: ExplainDeps,
  owners: readonly CredentialFacts[],
): Promise<Pick<CheckAnswer, 'member' | 'credential'>> {
  const [facts] = owners;
  if (facts === undefined || !isOneMember(owners)) return { member: null, credential: null };
  const { read } = deps.store;
  const names = await loadMemberNames(read, [facts.memberId]);
  const isNamed = owners.length === 1 && facts.credentialId !== '';
  const credential = !isNamed ? null : await findCredential(read, facts.credentialId);
  return {
    member: { id: facts.memberId, name: names.get(facts.memberId) ?? 'removed member' },
    credential: credential === null ? null : { id: credential.id, name: credential.label },
  };
}
