import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Stale } from '#hub/store/written.ts';
import { assertWritten } from '#hub/store/written.ts';
import { applyChanges, describeChanges } from '../change-rules.ts';
import { groupToWire, planToWire } from '../member/view.ts';
import { findMember } from '../repository.ts';
import { followMemberChange, type MemberDeps } from '../workflow.ts';
import {
  findGroup,
  findGroupEntryId,
  findGroupIdByName,
  findPlan,
  findPlanIdByName,
  type GroupFields,
  insertGroup,
  insertGroupEntry,
  insertPlan,
  isPlanUsed,
  type PlanFields,
  updateGroup,
  updatePlan,
} from './repository.ts';
import type { Group, GroupCreate, GroupPatch, Plan, PlanCreate, PlanPatch } from './schema.ts';

export interface NameTaken<Code extends 'planNameTaken' | 'groupNameTaken'> extends Refusal<Code> {
  readonly name: string;
}
export interface GroupInUse extends Refusal<'groupInUse'> {
  readonly memberCount: number;
}
const planFields = [
  'name',
  'description',
  'priceMinor',
  'currency',
  'interval',
  'graceDays',
  'overdueDays',
  'active',
] as const satisfies readonly (keyof PlanFields)[];

type PlanNotFound = Refusal<'planNotFound'>;
type GroupNotFound = Refusal<'groupNotFound'>;

async function loadPlan(tx: Transaction, id: string): Promise<Plan> {
  const plan = await findPlan(tx, id);
  assert(plan !== undefined, 'a plan that was just written is there');
  return planToWire(plan);
}

async function loadGroup(tx: Transaction, id: string): Promise<Group> {
  const group = await findGroup(tx, id);
  assert(group !== undefined, 'a group that was just written is there');
  return groupToWire(group);
}

export const createPlan = (
  deps: MemberDeps,
  actor: Actor,
  input: PlanCreate,
): Promise<Result<Plan, NameTaken<'planNameTaken'>>> =>
  deps.store.transact('members.createPlan', (tx) => createPlanInside(deps, tx, actor, input));

/** Creates the first plan of a site that was just claimed. */
export async function createFirstPlan(
  deps: Pick<MemberDeps, 'newId' | 'announceIn'>,
  tx: Transaction,
): Promise<void> {
  await createPlanInside(
    deps,
    tx,
    { kind: 'system' },
    {
      name: 'Member',
      description: null,
      priceMinor: 0,
      currency: 'EUR',
      interval: 'none',
      graceDays: 7,
      overdueDays: 30,
      active: true,
    },
  );
}

/** The same inside a transaction that does more. */
async function createPlanInside(
  deps: Pick<MemberDeps, 'newId' | 'announceIn'>,
  tx: Transaction,
  actor: Actor,
  input: PlanCreate,
): Promise<Result<Plan, NameTaken<'planNameTaken'>>> {
  if ((await findPlanIdByName(tx, input.name)) !== undefined)
    return refuse({ code: 'planNameTaken', name: input.name });
  const id = deps.newId();
  await insertPlan(tx, id, input);
  await recordAudit(tx, {
    actor,
    action: 'plan.create',
    target: { table: 'plan', id },
    payload: { ...input },
  });
  await deps.announceIn(tx, { topic: 'plan.changed', data: { planId: id, change: 'created' } });
  return ok(await loadPlan(tx, id));
}

/** Changes a plan. Memberships keep the terms they were agreed on, so no door learns of it. */
export function changePlan(
  deps: MemberDeps,
  actor: Actor,
  id: string,
  change: PlanPatch,
): Promise<Result<Plan, PlanNotFound | Stale<Plan> | NameTaken<'planNameTaken'>>> {
  return deps.store.transact('members.changePlan', async (tx) => {
    const row = await findPlan(tx, id);
    if (row === undefined) return refuse({ code: 'planNotFound' });
    if (row.version !== change.version) return refuse({ code: 'staleVersion', current: planToWire(row) });
    const { version, ...changes } = change;
    const after = applyChanges<PlanFields>(row, changes);
    const namesake = await findPlanIdByName(tx, after.name);
    if (namesake !== undefined && namesake !== id) return refuse({ code: 'planNameTaken', name: after.name });
    assertWritten(await updatePlan(tx, id, after, version));
    await recordAudit(tx, {
      actor,
      action: 'plan.change',
      target: { table: 'plan', id },
      payload: describeChanges(row, after, planFields),
    });
    await deps.announceIn(tx, { topic: 'plan.changed', data: { planId: id, change: 'changed' } });
    return ok(await loadPlan(tx, id));
  });
}

/** Removes a plan that no membership ever had; any other can only be made inactive. */
export function removePlan(
  deps: MemberDeps,
  actor: Actor,
  id: string,
): Promise<Result<Plan, PlanNotFound | Refusal<'planInUse'>>> {
  return deps.store.transact('members.removePlan', async (tx) => {
    const row = await findPlan(tx, id);
    if (row === undefined) return refuse({ code: 'planNotFound' });
    if (await isPlanUsed(tx, id)) return refuse({ code: 'planInUse' });
    assert((await tx.remove('plan', id)).ok, 'a plan that was just read is there');
    await recordAudit(tx, {
      actor,
      action: 'plan.remove',
      target: { table: 'plan', id },
      payload: { name: row.name },
    });
    await deps.announceIn(tx, { topic: 'plan.changed', data: { planId: id, change: 'removed' } });
    return ok(planToWire(row));
  });
}

export function createGroup(
  deps: MemberDeps,
  actor: Actor,
  input: GroupCreate,
): Promise<Result<Group, NameTaken<'groupNameTaken'>>> {
  return deps.store.transact('members.createGroup', async (tx) => {
    if ((await findGroupIdByName(tx, input.name)) !== undefined)
      return refuse({ code: 'groupNameTaken', name: input.name });
    const id = deps.newId();
    await insertGroup(tx, id, input);
    await recordAudit(tx, {
      actor,
      action: 'group.create',
      target: { table: 'member_group', id },
      payload: { ...input },
    });
    await deps.announceIn(tx, { topic: 'group.changed', data: { groupId: id, change: 'created' } });
    return ok(await loadGroup(tx, id));
  });
}

export function changeGroup(
  deps: MemberDeps,
  actor: Actor,
  id: string,
  change: GroupPatch,
): Promise<Result<Group, GroupNotFound | Stale<Group> | NameTaken<'groupNameTaken'>>> {
  return deps.store.transact('members.changeGroup', async (tx) => {
    const row = await findGroup(tx, id);
    if (row === undefined) return refuse({ code: 'groupNotFound' });
    if (row.version !== change.version) return refuse({ code: 'staleVersion', current: groupToWire(row) });
    const { version, ...changes } = change;
    const after = applyChanges<GroupFields>(row, changes);
    const namesake = await findGroupIdByName(tx, after.name);
    if (namesake !== undefined && namesake !== id)
      return refuse({ code: 'groupNameTaken', name: after.name });
    assertWritten(await updateGroup(tx, id, after, version));
    await recordAudit(tx, {
      actor,
      action: 'group.change',
      target: { table: 'member_group', id },
      payload: describeChanges(row, after, ['name', 'description']),
    });
    await deps.announceIn(tx, { topic: 'group.changed', data: { groupId: id, change: 'changed' } });
    return ok(await loadGroup(tx, id));
  });
}

/** Removes an empty group. A group with members may open a door for them, so remove the members first. */
export function removeGroup(
  deps: MemberDeps,
  actor: Actor,
  id: string,
): Promise<Result<Group, GroupNotFound | GroupInUse>> {
  return deps.store.transact('members.removeGroup', async (tx) => {
    const row = await findGroup(tx, id);
    if (row === undefined) return refuse({ code: 'groupNotFound' });
    if (row.memberCount > 0) return refuse({ code: 'groupInUse', memberCount: row.memberCount });
    assert((await tx.remove('member_group', id)).ok, 'a group that was just read is there');
    await recordAudit(tx, {
      actor,
      action: 'group.remove',
      target: { table: 'member_group', id },
      payload: { name: row.name },
    });
    await deps.announceIn(tx, { topic: 'group.changed', data: { groupId: id, change: 'removed' } });
    return ok(groupToWire(row));
  });
}

/** Adds a member to a group or removes them; idempotent. */
export function setGroupMember(
  deps: MemberDeps,
  actor: Actor,
  target: { readonly groupId: string; readonly memberId: string },
  isMember: boolean,
): Promise<Result<Group, GroupNotFound | Refusal<'memberNotFound'>>> {
  const { groupId, memberId } = target;
  return deps.store.transact('members.setGroupMember', async (tx) => {
    const group = await findGroup(tx, groupId);
    if (group === undefined) return refuse({ code: 'groupNotFound' });
    if ((await findMember(tx, memberId)) === undefined) return refuse({ code: 'memberNotFound' });
    const entryId = await findGroupEntryId(tx, groupId, memberId);
    if ((entryId !== undefined) === isMember) return ok(groupToWire(group));
    if (entryId === undefined) await insertGroupEntry(tx, { id: deps.newId(), groupId, memberId });
    else assert((await tx.remove('member_group_entry', entryId)).ok, 'an entry that was just read is there');
    await recordAudit(tx, {
      actor,
      action: isMember ? 'group.addMember' : 'group.removeMember',
      target: { table: 'member_group', id: groupId },
      payload: { memberId, group: group.name },
    });
    await deps.announceIn(tx, { topic: 'group.changed', data: { groupId, change: 'changed' } });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    return ok(await loadGroup(tx, groupId));
  });
}
