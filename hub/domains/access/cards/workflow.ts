import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { type CursorInvalid, openPage } from '#hub/http/endpoint/page-cursor.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIsoOrNull } from '#hub/kernel/time.ts';
import { stampToWire } from '#hub/store/entity-row.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { type LineOutcome, transactEach } from '#hub/store/transact-each.ts';
import { assertWritten, type FieldRefusal, type Stale } from '#hub/store/written.ts';
import type { CardRead } from '../schema.ts';
import type { CardDeps } from './deps.ts';
import { type CardTextRefusal, derivedReadings, maskedCardText } from './format-rules.ts';
import {
  type CredentialFilter,
  type CredentialPage,
  type CredentialRow,
  countCredentials,
  credentialOrder,
  findCredential,
  findCredentials,
  findReadingOwners,
  placeOfCredential,
  type ReadingOwner,
} from './repository.ts';
import { type CredentialAction, decideCredentialStatus, type TransitionRefusal } from './rules.ts';
import type { Credential, credentialPatchSchema, credentialQuerySchema, enrolCardSchema } from './schema.ts';
import { readWritten } from './written-rules.ts';

type CredentialQuery = z.output<typeof credentialQuerySchema>;

export interface AlreadyEnrolled extends Refusal<'alreadyEnrolled'> {
  readonly credentialId: string;
  readonly memberId: string;
  readonly memberName: string | null;
  readonly title: string;
  readonly nextStep: string;
}
export type EnrolRefusal = FieldRefusal<'memberUnknown' | 'datesInvalid'> | AlreadyEnrolled;

/** Rows as they stand on the wire, with names and what other rooms know of them. */
export async function credentialsToWire(
  deps: Pick<CardDeps, 'loadCardMarks'>,
  reader: Reader,
  rows: readonly CredentialRow[],
): Promise<Credential[]> {
  if (rows.length === 0) return [];
  const names = await loadMemberNames(reader, [...new Set(rows.map((row) => row.memberId))]);
  const marksOf = await deps.loadCardMarks(
    reader,
    rows.map((row) => row.id),
  );
  return rows.map((row) => ({
    ...stampToWire(row),
    memberId: row.memberId,
    memberName: names.get(row.memberId) ?? null,
    kind: row.kind,
    label: row.label,
    status: row.status,
    assurance: row.assurance,
    validFrom: toIsoOrNull(row.validFromMs),
    validUntil: toIsoOrNull(row.validUntilMs),
    masked: row.masked,
    ...marksOf(row.id),
  }));
}

export async function showCredential(
  deps: Pick<CardDeps, 'loadCardMarks'>,
  reader: Reader,
  id: string,
): Promise<Credential> {
  const row = await findCredential(reader, id);
  assert(row !== null, 'a credential that was just written is there');
  const [credential] = await credentialsToWire(deps, reader, [row]);
  assert(credential !== undefined, 'one row gives one credential');
  return credential;
}

/** What every change of credentials ends with: audit, the doors' records, live pages. */
export async function followCredentialChange(
  deps: CardDeps,
  tx: Transaction,
  actor: Actor,
  change: {
    readonly action: string;
    readonly id: string;
    readonly memberId: string;
    readonly payload: Parameters<typeof recordAudit>[1]['payload'];
    /** Another credential that a reading was taken from. */
    readonly alsoIds?: readonly string[];
  },
): Promise<void> {
  const { action, id, memberId, payload } = change;
  await recordAudit(tx, {
    actor,
    action,
    target: { table: 'credential', id },
    payload: { memberId, ...payload },
  });
  await deps.keeper.refreshCredentials(tx, [id, ...(change.alsoIds ?? [])]);
  await deps.announceIn(tx, { topic: 'credential.changed', data: { credentialId: id, memberId } });
}

export interface NewCredential {
  readonly memberId: string;
  readonly label: string;
  readonly temporary?: boolean;
  readonly validFromMs?: number | null;
  readonly validUntilMs?: number | null;
}

export async function whoseCard(tx: Transaction, credential: CredentialRow): Promise<AlreadyEnrolled> {
  const names = await loadMemberNames(tx, [credential.memberId]);
  const memberName = names.get(credential.memberId) ?? null;
  return {
    code: 'alreadyEnrolled',
    credentialId: credential.id,
    memberId: credential.memberId,
    memberName,
    title: `This card belongs to ${memberName ?? 'somebody'} already (${credential.label}, ${credential.status})`,
    nextStep: "Use another card, or retire that one on its member's page first.",
  };
}

/** Gives a card a reading and those that follow from it, whoever else has them: the doors are told of all owners. */
export async function keepReadings(
  { vault }: Pick<CardDeps, 'vault'>,
  tx: Transaction,
  credentialId: string,
  read: CardRead,
): Promise<void> {
  const derived = derivedReadings(read).map((reading) => ({ ...reading, seen: false }));
  await vault.giveReadings(tx, credentialId, [{ ...read, seen: true }, ...derived]);
}

/** The card in use of which a reader delivered the reading: no other can be it too. */
export async function findSeenOwner(
  tx: Transaction,
  owners: readonly ReadingOwner[],
): Promise<CredentialRow | null> {
  const owner = owners.find(({ seen, isRetired }) => seen && !isRetired);
  return owner === undefined ? null : await findCredential(tx, owner.credentialId);
}

/**
 * Enrols a card inside a transaction: under its reading and under those that other readers would give of it. A card
 * that belongs to somebody is refused, unless that credential is retired.
 */
export async function enrolInside(
  deps: CardDeps,
  tx: Transaction,
  actor: Actor,
  read: CardRead,
  wanted: NewCredential,
): Promise<Result<string, EnrolRefusal>> {
  if (!(await loadMemberNames(tx, [wanted.memberId])).has(wanted.memberId))
    return refuse({
      code: 'memberUnknown',
      errors: [{ pointer: '/body/memberId', message: 'is no member' }],
    });
  const validFromMs = wanted.validFromMs ?? null;
  const validUntilMs = wanted.validUntilMs ?? null;
  if (validUntilMs !== null && validUntilMs <= (validFromMs ?? tx.nowMs))
    return refuse({
      code: 'datesInvalid',
      errors: [{ pointer: '/body/validUntil', message: 'must be later than validFrom and than now' }],
    });
  const owners = await findReadingOwners(tx, read);
  const seenOf = await findSeenOwner(tx, owners);
  if (seenOf !== null) return refuse(await whoseCard(tx, seenOf));
  const id = deps.newId();
  await tx.insert('credential', {
    id,
    member_id: wanted.memberId,
    kind: 'card',
    label: wanted.label,
    status: wanted.temporary === true ? 'temporary' : 'active',
    assurance: 0,
    valid_from_ms: validFromMs,
    valid_until_ms: validUntilMs,
    masked: maskedCardText(read),
  });
  await keepReadings(deps, tx, id, read);
  await followCredentialChange(deps, tx, actor, {
    action: 'credential.enrol',
    id,
    memberId: wanted.memberId,
    payload: { label: wanted.label, masked: maskedCardText(read) },
    alsoIds: owners.map(({ credentialId }) => credentialId),
  });
  return ok(id);
}

export function enrolCard(
  deps: CardDeps,
  actor: Actor,
  read: CardRead,
  wanted: NewCredential,
): Promise<Result<Credential, EnrolRefusal>> {
  return deps.store.transact('credential.enrol', async (tx) => {
    const enrolled = await enrolInside(deps, tx, actor, read, wanted);
    return enrolled.ok ? ok(await showCredential(deps, tx, enrolled.value)) : enrolled;
  });
}

const toMs = (text: string | null): number | null => (text === null ? null : Date.parse(text));

const wantedOf = ({
  memberId,
  label,
  temporary,
  validFrom,
  validUntil,
}: z.output<typeof enrolCardSchema>): NewCredential => ({
  memberId,
  label,
  temporary,
  validFromMs: toMs(validFrom),
  validUntilMs: toMs(validUntil),
});

/** The same with the card as it is written. */
export async function enrolCardText(
  deps: CardDeps,
  actor: Actor,
  body: z.output<typeof enrolCardSchema>,
): Promise<Result<Credential, EnrolRefusal | CardRefusal>> {
  const read = readCardText(body.card);
  if (!read.ok) return read;
  return await enrolCard(deps, actor, read.value, wantedOf(body));
}

/** Enrols cards as they are written, each by itself. */
export const enrolCardTexts = (
  deps: CardDeps,
  actor: Actor,
  lines: readonly z.output<typeof enrolCardSchema>[],
): Promise<readonly LineOutcome<Credential, EnrolRefusal | CardRefusal>[]> =>
  transactEach(
    deps.store,
    'credential.enrolMany',
    lines,
    async (tx, line): Promise<Result<Credential, EnrolRefusal | CardRefusal>> => {
      const read = readCardText(line.card);
      if (!read.ok) return read;
      const enrolled = await enrolInside(deps, tx, actor, read.value, wantedOf(line));
      return enrolled.ok ? ok(await showCredential(deps, tx, enrolled.value)) : enrolled;
    },
  );

export type CardRefusal = FieldRefusal<CardTextRefusal['code']>;

/** A card from a body's field `card`. */
export function readCardText(card: string): Result<CardRead, CardRefusal> {
  const parsed = readWritten(card);
  if (parsed.ok) return parsed;
  return refuse({
    code: parsed.refusal.code,
    errors: [{ pointer: '/body/card', message: parsed.refusal.message }],
  });
}

async function changeStatusInside(
  deps: CardDeps,
  tx: Transaction,
  actor: Actor,
  row: CredentialRow,
  action: CredentialAction,
  reason: string | null,
): Promise<Result<null, TransitionRefusal>> {
  const decided = decideCredentialStatus(row.status, action);
  if (!decided.ok) return decided;
  assertWritten(await tx.write('credential', row.id, { status: decided.value }));
  if (row.kind === 'pin' && decided.value === 'retired') await deps.vault.setPin(tx, row.id, null);
  await followCredentialChange(deps, tx, actor, {
    action: `credential.${action}`,
    id: row.id,
    memberId: row.memberId,
    payload: { before: row.status, after: decided.value, reason },
  });
  return ok(null);
}

/** Suspends, reactivates, marks lost or retires. */
export function changeCredentialStatus(
  deps: CardDeps,
  actor: Actor,
  id: string,
  action: CredentialAction,
  reason: string | null,
): Promise<Result<Credential, Refusal<'credentialNotFound'> | TransitionRefusal>> {
  return deps.store.transact(`credential.${action}`, async (tx) => {
    const row = await findCredential(tx, id);
    if (row === null) return refuse({ code: 'credentialNotFound' });
    const changed = await changeStatusInside(deps, tx, actor, row, action, reason);
    return changed.ok ? ok(await showCredential(deps, tx, id)) : changed;
  });
}

/** Marks a card lost and enrols another for the same member, or does neither. */
export function replaceCard(
  deps: CardDeps,
  actor: Actor,
  id: string,
  read: CardRead,
  label: string | undefined,
): Promise<
  Result<
    { lost: Credential; credential: Credential },
    Refusal<'credentialNotFound'> | TransitionRefusal | EnrolRefusal
  >
> {
  return deps.store.transact('credential.replace', async (tx) => {
    const replaced = await replaceInside(deps, tx, actor, id, read, label);
    if (!replaced.ok) return replaced;
    return ok({
      lost: await showCredential(deps, tx, id),
      credential: await showCredential(deps, tx, replaced.value),
    });
  });
}

export async function replaceInside(
  deps: CardDeps,
  tx: Transaction,
  actor: Actor,
  id: string,
  read: CardRead,
  label: string | undefined,
): Promise<Result<string, Refusal<'credentialNotFound'> | TransitionRefusal | EnrolRefusal>> {
  const row = await findCredential(tx, id);
  // A PIN is replaced by a PIN, at its own address.
  if (row === null || row.kind !== 'card') return refuse({ code: 'credentialNotFound' });
  if (row.status !== 'lost') {
    const lost = await changeStatusInside(deps, tx, actor, row, 'lose', 'replaced');
    if (!lost.ok) return lost;
  }
  const { memberId, validUntilMs } = row;
  return await enrolInside(deps, tx, actor, read, {
    memberId,
    label: label ?? row.label,
    temporary: row.status === 'temporary',
    validUntilMs: validUntilMs !== null && validUntilMs > tx.nowMs ? validUntilMs : null,
  });
}

export function changeCredential(
  deps: CardDeps,
  actor: Actor,
  id: string,
  body: z.output<typeof credentialPatchSchema>,
): Promise<
  Result<Credential, Refusal<'credentialNotFound'> | Stale<Credential> | FieldRefusal<'datesInvalid'>>
> {
  return deps.store.transact('credential.change', async (tx) => {
    const row = await findCredential(tx, id);
    if (row === null) return refuse({ code: 'credentialNotFound' });
    if (row.version !== body.version)
      return refuse({ code: 'staleVersion', current: await showCredential(deps, tx, id) });
    if (row.kind === 'pin' && ((body.validFrom ?? null) !== null || (body.validUntil ?? null) !== null))
      return refuse({
        code: 'datesInvalid',
        errors: [
          { pointer: '/body/validUntil', message: 'a PIN has no dates of its own: suspend it instead' },
        ],
      });
    const label = body.label ?? row.label;
    const validFromMs = body.validFrom === undefined ? row.validFromMs : toMs(body.validFrom);
    const validUntilMs = body.validUntil === undefined ? row.validUntilMs : toMs(body.validUntil);
    if (validFromMs !== null && validUntilMs !== null && validUntilMs <= validFromMs)
      return refuse({
        code: 'datesInvalid',
        errors: [{ pointer: '/body/validUntil', message: 'must be later than validFrom' }],
      });
    const columns = { label, valid_from_ms: validFromMs, valid_until_ms: validUntilMs };
    assertWritten(await tx.write('credential', id, columns));
    await followCredentialChange(deps, tx, actor, {
      action: 'credential.change',
      id,
      memberId: row.memberId,
      payload: { label, validFromMs, validUntilMs },
    });
    return ok(await showCredential(deps, tx, id));
  });
}

export async function loadCredential(
  deps: CardDeps,
  id: string,
): Promise<Result<Credential, Refusal<'credentialNotFound'>>> {
  const row = await findCredential(deps.store.read, id);
  if (row === null) return refuse({ code: 'credentialNotFound' });
  const [credential] = await credentialsToWire(deps, deps.store.read, [row]);
  return credential === undefined ? refuse({ code: 'credentialNotFound' }) : ok(credential);
}

/** What the query asks for; null when its card belongs to nobody. A search that is a card as written finds that card. */
async function credentialFilterOf(reader: Reader, query: CredentialQuery): Promise<CredentialFilter | null> {
  const { search, memberId, kind, status } = query;
  const card = search === undefined ? null : readWritten(search);
  const owners = card?.ok === true ? await findReadingOwners(reader, card.value) : [];
  // What is a card only by its digits may be part of a label as well.
  const isCard = card?.ok === true && (owners.length > 0 || search?.includes(':') === true);
  if (isCard && owners.length === 0) return null;
  // Those of which a reader delivered it are the cards that were meant.
  const seen = owners.filter((owner) => owner.seen);
  const meant = seen.length > 0 ? seen : owners;
  return {
    ...(memberId === undefined ? {} : { memberIds: [memberId] }),
    ...(kind === undefined ? {} : { kind }),
    ...(status === undefined ? {} : { status }),
    ...(meant.length === 0 ? {} : { credentialIds: meant.map(({ credentialId }) => credentialId) }),
    ...(!isCard && search !== undefined ? { labelPart: search } : {}),
  };
}

/** One page of credentials. */
export async function listCredentials(
  deps: CardDeps,
  query: CredentialQuery,
): Promise<Result<{ items: Credential[]; nextCursor: string | null; total?: number }, CursorInvalid>> {
  const { read } = deps.store;
  const { sort } = query;
  const order = credentialOrder(sort);
  const asked = openPage(query, order.columns.length);
  if (!asked.ok) return asked;
  const filter = await credentialFilterOf(read, query);
  if (filter === null) return ok({ items: [], nextCursor: null, ...(query.count ? { total: 0 } : {}) });
  const { after, limit, cut, count } = asked.value;
  const rows = await findCredentials(read, filter, { order, after, limit });
  const page = cut(rows, (row) => placeOfCredential(sort, row));
  const total = await count(deps.store, (reader) => countCredentials(reader, filter));
  return ok({
    items: await credentialsToWire(deps, read, page.rows),
    nextCursor: page.nextCursor,
    ...total,
  });
}

/** Credentials in one CSV piece: what the reader Worker does in one turn. */
const credentialsPerPiece = 200;

/** All credentials that fit, in pieces; each is read in a turn of its own in the reader Worker. */
export async function* streamCredentials(
  deps: CardDeps,
  query: CredentialQuery,
): AsyncGenerator<readonly Credential[]> {
  const filter = await credentialFilterOf(deps.store.read, query);
  if (filter === null) return;
  const order = credentialOrder(query.sort);
  let after: Place | null = null;
  do {
    const page: CredentialPage = { order, after, limit: credentialsPerPiece };
    const piece = await deps.store.report(async (reader) => {
      const rows = await findCredentials(reader, filter, page);
      return { items: await credentialsToWire(deps, reader, rows), last: rows[credentialsPerPiece - 1] };
    });
    yield piece.items;
    after = piece.last === undefined ? null : placeOfCredential(query.sort, piece.last);
  } while (after !== null);
}
