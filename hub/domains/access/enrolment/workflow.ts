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
import { formatWords, isUnsure } from '../cards/written-rules.ts';
import {
  answerTimeoutMs,
  type BridgeRefusal,
  type CommandOutcome,
  refuseOutcome,
} from '../controllers/commands.ts';
import { findPortals } from '../doors/repository.ts';
import { findEvent, findUnknownCardEvents } from '../events/repository.ts';
import { findRecordByDigest, findSets } from '../policy/repository.ts';
import { findReader } from '../readers/view.ts';
import type { CardRead } from '../schema.ts';
import type { EnrolmentDeps } from './deps.ts';
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
  /** The bridge has said that its reader waits. */
  hasBegun: boolean;
}

const onceMore =
  'Tap the same card once more: it is in a format that nothing can check, so it has to be read twice alike.';

const isSameActor = (one: Actor, other: Actor): boolean =>
  one.kind === other.kind && ('id' in one ? one.id : null) === ('id' in other ? other.id : null);

/** Enrolments by the next tap at a reader. In memory: after a restart nobody waits at the reader any more. */
export function createEnrolments(deps: EnrolmentDeps): Enrolments {
  const runs = new Map<string, Running>();

  function update(run: Running, change: Partial<Enrolment>): void {
    run.enrolment = { ...run.enrolment, ...change };
    deps.announce({
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
    const message = `Read as ${formatWords(read)}.`;
    if (addsToCredentialId !== undefined) {
      const added = await addReading(deps, actor, addsToCredentialId, read);
      if (added.ok) update(run, { state: 'enrolled', credentialId: added.value, message });
      else update(run, { state: 'refused', message: sentenceOf(added.refusal) });
      return;
    }
    if (replacesCredentialId === undefined) {
      const enrolled = await enrolCard(deps, actor, read, { memberId, label });
      if (enrolled.ok) update(run, { state: 'enrolled', credentialId: enrolled.value.id, message });
      else update(run, { state: 'refused', message: sentenceOf(enrolled.refusal) });
      return;
    }
    const replaced = await replaceCard(deps, actor, replacesCredentialId, read, label);
    if (replaced.ok) update(run, { state: 'enrolled', credentialId: replaced.value.credential.id, message });
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
      const place = await findReader(deps.store.read, body.readerId);
      if (place === null)
        return refuse({
          code: 'readerUnknown',
          errors: [{ pointer: '/body/readerId', message: "is no reader: take the id of a door's reader" }],
        });
      if (!(await loadMemberNames(deps.store.read, [body.memberId])).has(body.memberId))
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
      const id = deps.newId();
      const run: Running = {
        bridgeId: place.bridgeId,
        readerKey: place.readerKey,
        hasBegun: false,
        actor,
        enrolment: {
          id,
          readerId: body.readerId,
          memberId: body.memberId,
          state: 'waiting',
          expiresAt: toIso(deps.clock.nowMs() + enrolmentMs),
          credentialId: null,
          message: null,
        },
      };
      runs.set(id, run);
      for (const old of runs.keys()) if (runs.size > maxEnrolments) runs.delete(old);
      const begun = Promise.withResolvers<CommandOutcome>();
      const giveUp = deps.after(answerTimeoutMs, () => begun.resolve({ kind: 'noAnswer' }));
      const command = { kind: 'enrol', readerKey: place.readerKey } as const;
      const final = deps.commands.send(place.bridgeId, command, {
        timeoutMs: enrolmentMs,
        commandId: id,
        onWaiting() {
          // The second time: the bridge has a frame that nothing vouches for, and waits for the same once more.
          if (run.hasBegun) update(run, { message: onceMore });
          run.hasBegun = true;
          begun.resolve({ kind: 'waiting' });
        },
      });
      void final
        .then((outcome) => {
          begun.resolve(outcome);
          return finish(run, actor, outcome, body);
        })
        .catch((cause: unknown) => {
          deps.log.error({ err: cause }, 'a card that was presented could not be enrolled');
          update(run, { state: 'failed', message: 'The card was read but could not be stored.' });
        });
      const first = await begun.promise;
      giveUp();
      if (first.kind !== 'waiting' && first.kind !== 'read') {
        runs.delete(id);
        return refuse(refuseOutcome(first));
      }
      deps.announce({ topic: 'enrolment.changed', data: run.enrolment });
      return ok(run.enrolment);
    },
    find: (id) => runs.get(id)?.enrolment ?? null,
    async cancel(id) {
      const run = runs.get(id);
      if (run === undefined) return null;
      if (run.enrolment.state !== 'waiting') return run.enrolment;
      update(run, { state: 'cancelled' });
      await deps.commands.send(run.bridgeId, { kind: 'cancelEnrol', readerKey: run.readerKey });
      return run.enrolment;
    },
  };
}

/** Unknown cards that were tapped just now and can be enrolled without another tap. */
export async function listUnknownCards(deps: EnrolmentDeps): Promise<z.input<typeof unknownCardSchema>[]> {
  const { read } = deps.store;
  const events = await findUnknownCardEvents(read, deps.clock.nowMs() - offeredMs, 50);
  const portals = new Map((await findPortals(read)).map((portal) => [portal.id, portal.name]));
  const sets = new Map((await findSets(read)).filter((set) => set.current).map((set) => [set.bridgeId, set]));
  const offered: z.input<typeof unknownCardSchema>[] = [];
  const seen = new Set<string>();
  for (const event of events) {
    const set = sets.get(event.bridgeId);
    if (event.digest === null || set === undefined || !deps.link.isConnected(event.bridgeId)) continue;
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

export type RevealRefusal = Refusal<'eventNotFound' | 'cardForgotten' | 'cardUnsure'> | BridgeRefusal;

/** The reading of an unknown card that was tapped just now, asked of its bridge. */
export async function revealCard(
  deps: EnrolmentDeps,
  eventId: string,
): Promise<Result<CardRead, RevealRefusal>> {
  const event = await findEvent(deps.store.read, eventId);
  if (event === null || event.reason !== 'unknownCredential') return refuse({ code: 'eventNotFound' });
  if (deps.clock.nowMs() - event.receivedAtMs > offeredMs) return refuse({ code: 'cardForgotten' });
  // The number means nothing in another journal.
  const journalId = deps.live.get(event.bridgeId)?.hello.journalId;
  if (journalId !== undefined && journalId !== event.journalId) return refuse({ code: 'cardForgotten' });
  const outcome = await deps.commands.send(event.bridgeId, { kind: 'reveal', seq: event.seq });
  if (outcome.kind === 'read') {
    if (!isUnsure(outcome.read)) return ok(outcome.read);
    const recent = await findUnknownCardEvents(deps.store.read, deps.clock.nowMs() - offeredMs, 50);
    const isSame = (other: (typeof recent)[number]): boolean =>
      other.bridgeId === event.bridgeId && other.digest === event.digest;
    return recent.filter(isSame).length > 1 ? ok(outcome.read) : refuse({ code: 'cardUnsure' });
  }
  if (outcome.kind === 'refused' && outcome.code === 'forgotten') return refuse({ code: 'cardForgotten' });
  return refuse(refuseOutcome(outcome));
}

export async function enrolUnknownCard(
  deps: EnrolmentDeps,
  actor: Actor,
  eventId: string,
  body: { readonly memberId: string; readonly label: string },
): Promise<Result<Credential, RevealRefusal | EnrolRefusal | AlreadyEnrolled>> {
  const revealed = await revealCard(deps, eventId);
  return revealed.ok ? await enrolCard(deps, actor, revealed.value, body) : revealed;
}
