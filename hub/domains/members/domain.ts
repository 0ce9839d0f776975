import { z } from 'zod';
import { answer, type Domain, hear, type RunningDomain, Signal } from '#hub/domain.ts';
import { memberExists, siteClaimed } from '#hub/domains/identity/domain.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { DataOf, PermissionSpec, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { changeSchema } from '#hub/kernel/wire.ts';
import { findNamedValues } from '#hub/store/named-rows.ts';
import type { Transaction } from '#hub/store/store.ts';
import { memberAuditWords } from './audit-words.ts';
import { advanceDueMemberships } from './memberships/workflow.ts';
import { createFirstPlan } from './plans/workflow.ts';
import { memberProblems } from './problems.ts';
import { findMember, memberTables } from './repository.ts';
import { memberEndpoints } from './routes.ts';
import { followMemberChange, indexPhones, type MemberDeps, reindexAllMembers } from './workflow.ts';

/** The admission facts of these members (by id) have changed. */
export const admissionChanged = new Signal<readonly string[]>('members.admissionChanged');

const permissions = {
  'member.read': { text: 'See members', roles: ['staff', 'instructor'] },
  'member.manage': { text: 'Add and change members and their memberships', roles: ['staff'] },
  'plan.read': { text: 'See plans', roles: ['staff'] },
  'plan.manage': { text: 'Change plans' },
} as const satisfies Readonly<Record<string, PermissionSpec>>;

const topics = {
  'member.changed': {
    permission: 'member.read',
    text: 'A member was added or changed: profile, status, memberships, holds, groups',
    data: z.strictObject({ memberId: idSchema }),
    lasting: true,
  },
  'plan.changed': {
    permission: 'plan.read',
    text: 'A plan was added, changed or removed',
    data: z.strictObject({ planId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'group.changed': {
    permission: 'member.read',
    text: 'A group was added, changed or removed, or its members changed',
    data: z.strictObject({ groupId: idSchema, change: changeSchema }),
    lasting: true,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

declare module '#hub/kernel/vocabulary.ts' {
  interface Permissions extends Record<keyof typeof permissions, true> {}
  interface Topics extends DataOf<typeof topics> {}
  interface Refusals extends Record<keyof typeof memberProblems, true> {}
}

const minuteMs = 60_000;

export interface RunningMembers extends RunningDomain {
  readonly deps: MemberDeps;
}

/** Members, their memberships and holds, the plans and groups. */
export const members: Domain<RunningMembers> = {
  name: 'members',
  tables: memberTables,
  permissions,
  topics,
  problems: memberProblems,
  tags: {
    members: 'Members, their memberships and their holds',
    plans: 'What a membership costs and how long it lasts',
    groups: 'Groups of members, for access rules',
  },
  auditWords: memberAuditWords,
  open(core) {
    const deps: MemberDeps = {
      ...core,
      onAdmissionChanged: (tx, memberIds) => core.raise(tx, admissionChanged, memberIds),
    };
    const followMembers = (tx: Transaction, memberIds: readonly string[]): Promise<void> =>
      followMemberChange(deps, tx, memberIds, { admission: true });
    const followMembersOf =
      (table: string) =>
      async (tx: Transaction, ids: readonly string[]): Promise<void> =>
        followMembers(tx, [...new Set((await findNamedValues(tx, table, 'member_id', ids)).values())]);
    return {
      deps,
      endpoints: memberEndpoints(deps),
      chores: [
        {
          name: 'memberships',
          everyMs: minuteMs,
          run: async () => void (await advanceDueMemberships(deps)),
        },
        { name: 'phoneSearch', everyMs: dayMs, run: () => indexPhones(core.store) },
      ],
      hears: [
        hear(siteClaimed, async (tx, { starterRules }) => {
          if (starterRules) await createFirstPlan(deps, tx);
        }),
      ],
      answers: [answer(memberExists, async (reader, id) => (await findMember(reader, id)) !== undefined)],
      afterReplication: {
        member: followMembers,
        membership: followMembersOf('membership'),
        hold: followMembersOf('hold'),
        member_group_entry: followMembersOf('member_group_entry'),
        async plan(tx, ids) {
          for (const planId of ids)
            await core.announceIn(tx, { topic: 'plan.changed', data: { planId, change: 'changed' } });
        },
        async member_group(tx, ids) {
          for (const groupId of ids)
            await core.announceIn(tx, { topic: 'group.changed', data: { groupId, change: 'changed' } });
        },
      },
      async afterRestore() {
        return { restored: `${await reindexAllMembers(core.store)} members`, lost: null };
      },
    };
  },
};
