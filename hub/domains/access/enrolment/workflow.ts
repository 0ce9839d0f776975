import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { FieldRefusal } from '#hub/store/written.ts';
import { type AddReadingRefusal, addReading } from '../cards/reading-workflow.ts';
import type { TransitionRefusal } from '../cards/rules.ts';
import type { Credential } from '../cards/schema.ts';
import { type AlreadyEnrolled, type EnrolRefusal, enrolCard, replaceCard } from '../cards/workflow.ts';
import {
  answerTimeoutMs,
  type BridgeRefusal,
  type CommandOutcome,
  refuseOutcome,
} from '../controllers/commands.ts';
import { findPortals } from '../doors/repository.ts';
import { findEvent, findUnknownCardEvents } from '../events/repository.ts';
import type { AccessParts } from '../parts.ts';
import { findRecordByDigest, findSets } from '../policy/repository.ts';
import { findReader } from '../readers/view.ts';
import type { CardRead } from '../schema.ts';
import type { Enrolment, enrolmentCreateSchema, unknownCardSchema } from './schema.ts';

const enrolmentMs = 60_000;
/** A bridge keeps an unknown card's reading for so long. */
const offeredMs = 120_000;
const maxEnrolments = 100;

export interface Enrolments {
  /** The next card at the reader is for this member. Answers once the reader waits; an earlier one of the same actor ends. */
  begin(
    actor: Actor,
    body: z.output<typeof enrolmentCreateSchema>,
  ): Promise<
    Result<Enrolment, FieldRefusal<'readerUnknown' | 'memberUnknown'> | Refusal<'readerBusy'> | BridgeRefusal>
  >;
  find(id: string): Enrolment | null;
  cancel(id: string): Promise<Enrolment | null>;
}

const sentenceOf = (
  refusal: EnrolRefusal | TransitionRefusal | AddReadingRefusal | Refusal<'credentialNotFound'>,
): string => {
  const told: { readonly title?: string } = 'title' in refusal ? { title: refusal.title } : {};
  return told.title ?? `The card was not enrolled (${refusal.code}).`;
};

interface Running {
  enrolment: Enrolment;
  readonly actor: Actor;
  readonly bridgeId: string;
  readonly readerKey: string;
}

const isSameActor = (one: Actor, other: Actor): boolean =>
  one.kind === other.kind && ('id' in one ? one.id : null) === ('id' in other ? other.id : null);

/** Enrolments by the next tap at a reader. In memory: after a restart nobody waits at the reader any more. */
export function createEnrolments(parts: AccessParts): Enrolments {
  const runs = new Map<string, Running>();

  function update(run: Running, change: Partial<Enrolment>): void {
    run.enrolment = { ...run.enrolment, ...change };
    parts.announce({
      topic: 'enrolment.changed',
      data: run.enrolment,
    });
  }

  async function takeRead(
    run: Running,
    actor: Actor,
    read: CardRead,
    body: z.output<typeof enrolmentCreateSchema>,
  ): Promise<void> {
    const { memberId, label, replacesCredentialId, addsToCredentialId } = body;
    if (addsToCredentialId !== undefined) {
      const added = await addReading(parts, actor, addsToCredentialId, read);
      if (added.ok) update(run, { state: 'enrolled', credentialId: added.value });
      else update(run, { state: 'refused', message: sentenceOf(added.refusal) });
      return;
    }
    if (replacesCredentialId === undefined) {
      const enrolled = await enrolCard(parts, actor, read, { memberId, label });
      if (enrolled.ok) update(run, { state: 'enrolled', credentialId: enrolled.value.id });
      else update(run, { state: 'refused', message: sentenceOf(enrolled.refusal) });
      return;
    }
    const replaced = await replaceCard(parts, actor, replacesCredentialId, read, label);
    if (replaced.ok) update(run, { state: 'enrolled', credentialId: replaced.value.credential.id });
    else update(run, { state: 'refused', message: sentenceOf(replaced.refusal) });
  }

  async function finish(
    run: Running,
    actor: Actor,
    outcome: CommandOutcome,
    body: z.output<typeof enrolmentCreateSchema>,
  ): Promise<void> {
    if (run.enrolment.state !== 'waiting') return;
    if (outcome.kind === 'read') await takeRead(run, actor, outcome.read, body);
    else if (outcome.kind === 'noAnswer' || (outcome.kind === 'refused' && outcome.code === 'expired'))
      update(run, { state: 'expired', message: 'No card was presented in time.' });
    else if (outcome.kind === 'notConnected')
      update(run, { state: 'failed', message: 'The connection to the reader was lost.' });
    else update(run, { state: 'failed', message: 'The reader did not take it up.' });
  }

  return {
    async begin(actor, body) {
      const place = await findReader(parts.store.read, body.readerId);
      if (place === null)
        return refuse({
          code: 'readerUnknown',
          errors: [{ pointer: '/body/readerId', message: "is no reader: take the id of a door's reader" }],
        });
      if (!(await loadMemberNames(parts.store.read, [body.memberId])).has(body.memberId))
        return refuse({
          code: 'memberUnknown',
          errors: [{ pointer: '/body/memberId', message: 'is no member' }],
        });
      const waiting = [...runs.values()].find(
        ({ enrolment }) => enrolment.readerId === body.readerId && enrolment.state === 'waiting',
      );
      if (waiting !== undefined) {
        if (!isSameActor(waiting.actor, actor)) return refuse({ code: 'readerBusy' });
        // Their page was closed without a word. The bridge ends the earlier enrolment when the new one begins.
        update(waiting, { state: 'cancelled' });
      }
      const id = parts.newId();
      const run: Running = {
        bridgeId: place.bridgeId,
        readerKey: place.readerKey,
        actor,
        enrolment: {
          id,
          readerId: body.readerId,
          memberId: body.memberId,
          state: 'waiting',
          expiresAt: toIso(parts.clock.nowMs() + enrolmentMs),
          credentialId: null,
          message: null,
        },
      };
      runs.set(id, run);
      for (const old of runs.keys()) if (runs.size > maxEnrolments) runs.delete(old);
      const begun = Promise.withResolvers<CommandOutcome>();
      const giveUp = parts.after(answerTimeoutMs, () => begun.resolve({ kind: 'noAnswer' }));
      const command = { kind: 'enrol', readerKey: place.readerKey } as const;
      const final = parts.commands.send(place.bridgeId, command, {
        timeoutMs: enrolmentMs,
        commandId: id,
        onWaiting: () => begun.resolve({ kind: 'waiting' }),
      });
      void final
        .then((outcome) => {
          begun.resolve(outcome);
          return finish(run, actor, outcome, body);
        })
        .catch((cause: unknown) => {
          parts.log.error({ err: cause }, 'a card that was presented could not be enrolled');
          update(run, { state: 'failed', message: 'The card was read but could not be stored.' });
        });
      const first = await begun.promise;
      giveUp();
      if (first.kind !== 'waiting' && first.kind !== 'read') {
        runs.delete(id);
        return refuse(refuseOutcome(first));
      }
      parts.announce({ topic: 'enrolment.changed', data: run.enrolment });
      return ok(run.enrolment);
    },
    find: (id) => runs.get(id)?.enrolment ?? null,
    async cancel(id) {
      const run = runs.get(id);
      if (run === undefined) return null;
      if (run.enrolment.state !== 'waiting') return run.enrolment;
      update(run, { state: 'cancelled' });
      await parts.commands.send(run.bridgeId, { kind: 'cancelEnrol', readerKey: run.readerKey });
      return run.enrolment;
    },
  };
}

/** Unknown cards that were tapped just now and can be enrolled without another tap. */
export async function listUnknownCards(parts: AccessParts): Promise<z.input<typeof unknownCardSchema>[]> {
  const { read } = parts.store;
  const events = await findUnknownCardEvents(read, parts.clock.nowMs() - offeredMs, 50);
  const portals = new Map((await findPortals(read)).map((portal) => [portal.id, portal.name]));
  const sets = new Map((await findSets(read)).filter((set) => set.current).map((set) => [set.bridgeId, set]));
  const offered: z.input<typeof unknownCardSchema>[] = [];
  const seen = new Set<string>();
  for (const event of events) {
    const set = sets.get(event.bridgeId);
    if (event.digest === null || set === undefined || !parts.link.isConnected(event.bridgeId)) continue;
    if (seen.has(`${event.bridgeId}/${event.digest}`)) continue;
    seen.add(`${event.bridgeId}/${event.digest}`);
    // Enrolled meanwhile.
    if ((await findRecordByDigest(read, set, Buffer.from(event.digest, 'hex'))) !== null) continue;
    offered.push({
      eventId: event.id,
      at: toIso(event.atMs),
      portalName: event.portalId === null ? null : (portals.get(event.portalId) ?? null),
      reader: event.readerKey,
      offeredUntil: toIso(event.receivedAtMs + offeredMs),
    });
  }
  return offered;
}

export type RevealRefusal = Refusal<'eventNotFound'> | Refusal<'cardForgotten'> | BridgeRefusal;

/** The reading of an unknown card that was tapped just now, asked of its bridge. */
export async function revealCard(
  parts: AccessParts,
  eventId: string,
): Promise<Result<CardRead, RevealRefusal>> {
  const event = await findEvent(parts.store.read, eventId);
  if (event === null || event.reason !== 'unknownCredential') return refuse({ code: 'eventNotFound' });
  if (parts.clock.nowMs() - event.receivedAtMs > offeredMs) return refuse({ code: 'cardForgotten' });
  // The number means nothing in another journal.
  const journalId = parts.live.get(event.bridgeId)?.hello.journalId;
  if (journalId !== undefined && journalId !== event.journalId) return refuse({ code: 'cardForgotten' });
  const outcome = await parts.commands.send(event.bridgeId, { kind: 'reveal', seq: event.seq });
  if (outcome.kind === 'read') return ok(outcome.read);
  if (outcome.kind === 'refused' && outcome.code === 'forgotten') return refuse({ code: 'cardForgotten' });
  return refuse(refuseOutcome(outcome));
}

export async function enrolUnknownCard(
  parts: AccessParts,
  actor: Actor,
  eventId: string,
  body: { readonly memberId: string; readonly label: string },
): Promise<Result<Credential, RevealRefusal | EnrolRefusal | AlreadyEnrolled>> {
  const revealed = await revealCard(parts, eventId);
  return revealed.ok ? await enrolCard(parts, actor, revealed.value, body) : revealed;
}
