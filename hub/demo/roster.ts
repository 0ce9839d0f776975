import { digestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import { findCredentials } from '#hub/domains/access/cards/repository.ts';
import { changeCredentialStatus, enrolCard } from '#hub/domains/access/cards/workflow.ts';
import type { CredentialFacts } from '#hub/domains/access/decide/policy-schema.ts';
import type { Access } from '#hub/domains/access/open-access.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { memberCreateSchema } from '#hub/domains/members/member/schema.ts';
import {
  changeMember,
  changeMemberStatus,
  createMember,
  placeHold,
  releaseHold,
} from '#hub/domains/members/member/workflow.ts';
import { applyMembershipEvent, createMembership } from '#hub/domains/members/memberships/workflow.ts';
import { setGroupMember } from '#hub/domains/members/plans/workflow.ts';
import { loadAdmissionFacts, type MemberDeps } from '#hub/domains/members/workflow.ts';
import { assert, unreachable } from '#hub/kernel/result.ts';
import { dayMs, toIso } from '#hub/kernel/time.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Biography, Step } from './biography.ts';
import { must, type Space } from './space.ts';

/** A card of the demo, whatever has become of it. */
export interface DemoCard {
  readonly credentialId: string;
  /** As the bridge writes it: hex of the keyed digest. */
  readonly digest: string;
  readonly owner: DemoMember;
}

/** A member who has joined. */
export interface DemoMember {
  readonly id: string;
  readonly biography: Biography;
  /** The newest last. */
  readonly cards: DemoCard[];
  membershipId: string | null;
  holdId: string | null;
  version: number;
}

/** The n-th card of the demo, of the usual 26 bits. */
export function demoCard(number: number): CardRead {
  const read = parseCardText(`${1 + Math.floor(number / 60_000)}:${1 + (number % 60_000)}`);
  assert(read.ok, 'a card of the demo can be written');
  return read.value;
}

interface RosterDeps {
  readonly access: Access;
  readonly members: MemberDeps;
  readonly actor: Actor;
  readonly space: Space;
  readonly digestKey: Uint8Array;
}

/** Everybody who has joined, and what the doors know of their cards now. */
export class Roster {
  readonly present: DemoMember[] = [];
  readonly #deps: RosterDeps;
  readonly #byBiography = new Map<Biography, DemoMember>();
  readonly #byId = new Map<string, DemoMember>();
  readonly #facts = new Map<string, CredentialFacts>();
  readonly #stale = new Set<string>();
  #cardsMade = 0;

  constructor(deps: RosterDeps) {
    this.#deps = deps;
  }

  get cardsMade(): number {
    return this.#cardsMade;
  }

  factsOf(card: DemoCard): CredentialFacts | undefined {
    return this.#facts.get(card.credentialId);
  }

  /** Marks these members as changed. */
  noteChanged(memberIds: readonly string[]): void {
    for (const id of memberIds) this.#stale.add(id);
  }

  /** Reads what the doors would be told of the members that changed. */
  async refresh(tx: Transaction): Promise<void> {
    const ids = [...this.#stale];
    this.#stale.clear();
    for (let start = 0; start < ids.length; start += 200) {
      const some = ids.slice(start, start + 200);
      const admissions = await loadAdmissionFacts(tx, some, tx.nowMs);
      for (const row of await findCredentials(tx, { memberIds: some }, { limit: 2000 })) {
        const admission = admissions.get(row.memberId);
        if (admission === undefined) continue;
        this.#facts.set(row.id, {
          ...admission,
          credentialId: row.id,
          credentialStatus: row.status,
          assurance: row.assurance,
          validFromMs: row.validFromMs,
          validUntilMs: row.validUntilMs,
        });
      }
    }
  }

  /** Performs a step of a member's year by the workflow that the web page would use. */
  async take(biography: Biography, step: Step, tx: Transaction): Promise<void> {
    if (step.kind === 'join') return await this.#join(biography, step.waiver, tx);
    const member = this.#byBiography.get(biography);
    assert(member !== undefined, 'a member joins before anything else happens');
    this.noteChanged([member.id]);
    const { members, actor, space } = this.#deps;
    switch (step.kind) {
      case 'membership':
      case 'membershipEvent':
      case 'cancel':
        return await this.#changeMembership(member, step, tx);
      case 'card':
      case 'cardStatus':
        return await this.#changeCard(member, step, tx);
      case 'train': {
        const target = { groupId: space.groupIds[step.group], memberId: member.id };
        must(await setGroupMember(members, actor, target, true));
        return;
      }
      case 'signWaiver': {
        const waiver = { waiverVersion: '2025-01', waiverDate: isoDate(tx.nowMs), version: member.version };
        member.version = must(await changeMember(members, actor, member.id, waiver)).version;
        return;
      }
      case 'hold':
        member.holdId = must(await placeHold(members, actor, member.id, step.reason)).id;
        return;
      case 'release': {
        const target = { memberId: member.id, holdId: member.holdId ?? '' };
        must(await releaseHold(members, actor, target, 'Settled'));
        return;
      }
      case 'suspend':
      case 'reactivate':
      case 'leave': {
        const reason = step.kind === 'suspend' ? step.reason : null;
        const changed = must(await changeMemberStatus(members, actor, member.id, step.kind, reason));
        member.version = changed.version;
        return;
      }
      default:
        return unreachable(step);
    }
  }

  async #join(biography: Biography, waiver: boolean, tx: Transaction): Promise<void> {
    const { members, actor } = this.#deps;
    const { person } = biography;
    const input = memberCreateSchema.parse({
      ...person,
      ...(waiver ? { waiverVersion: '2024-03', waiverDate: isoDate(tx.nowMs) } : {}),
    });
    const made = must(await createMember(members, actor, input));
    const member: DemoMember = {
      id: made.id,
      biography,
      cards: [],
      membershipId: null,
      holdId: null,
      version: made.version,
    };
    this.#byBiography.set(biography, member);
    this.#byId.set(made.id, member);
    this.present.push(member);
  }

  async #changeMembership(
    member: DemoMember,
    step: Extract<Step, { kind: 'membership' | 'membershipEvent' | 'cancel' }>,
    tx: Transaction,
  ): Promise<void> {
    const { members, actor, space } = this.#deps;
    if (step.kind === 'membership') {
      const until = step.state === 'trial' ? toIso(tx.nowMs + 14 * dayMs) : null;
      const planId = space.planIds[member.biography.plan];
      const input = { planId, state: step.state, from: null, until, reason: null };
      member.membershipId = must(await createMembership(members, actor, member.id, input)).id;
      return;
    }
    const target = { memberId: member.id, membershipId: member.membershipId ?? '' };
    const input =
      step.kind === 'cancel'
        ? ({ event: 'cancel', until: toIso(tx.nowMs + step.noticeDays * dayMs) } as const)
        : step.event === 'renew'
          ? ({ event: 'renew', until: null } as const)
          : { event: step.event };
    must(await applyMembershipEvent(members, actor, target, input));
  }

  async #changeCard(
    member: DemoMember,
    step: Extract<Step, { kind: 'card' | 'cardStatus' }>,
    tx: Transaction,
  ): Promise<void> {
    const { access, actor, digestKey } = this.#deps;
    if (step.kind === 'cardStatus') {
      const card = member.cards.at(-1);
      if (card === undefined) return;
      must(await changeCredentialStatus(access.deps, actor, card.credentialId, step.action, null));
      return;
    }
    const read = demoCard(this.#cardsMade);
    this.#cardsMade += 1;
    const days = step.temporaryDays;
    const wanted = {
      memberId: member.id,
      label: step.label,
      temporary: days !== null,
      validUntilMs: days === null ? null : tx.nowMs + days * dayMs,
    };
    const { id } = must(await enrolCard(access.deps, actor, read, wanted));
    member.cards.push({
      credentialId: id,
      digest: Buffer.from(digestOf(digestKey, read)).toString('hex'),
      owner: member,
    });
  }
}

const isoDate = (ms: number): string => toIso(ms).slice(0, 10);
