import { loadPortals } from '#hub/domains/access/doors/view.ts';
import { changePortal } from '#hub/domains/access/doors/workflow.ts';
import type { Access } from '#hub/domains/access/open-access.ts';
import { createRule } from '#hub/domains/access/rules/workflow.ts';
import type { PortalSettings } from '#hub/domains/access/schema.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import type { PlanCreate } from '#hub/domains/members/plans/schema.ts';
import { createGroup, createPlan } from '#hub/domains/members/plans/workflow.ts';
import type { MemberDeps } from '#hub/domains/members/workflow.ts';
import type { WeeklyWindow } from '#hub/domains/places/schema.ts';
import { createArea, createHoliday, type PlaceDeps, putOpeningHours } from '#hub/domains/places/workflow.ts';
import { assert, type Refusal, type Result } from '#hub/kernel/result.ts';
import type { DemoHub } from './demo-hub.ts';

export const demoTimeZone = 'Europe/Berlin';
export const demoSiteName = 'Werkhof (demo data)';

/** Unwraps a result that cannot fail here, because nothing else is in the store. */
export function must<T>(result: Result<T, Refusal>): T {
  assert(result.ok, `the demo does nothing that is refused: ${JSON.stringify(result)}`);
  return result.value;
}

const hour = 60;
const daily = (days: readonly number[], startHour: number, endHour: number): WeeklyWindow[] =>
  days.map((weekday) => ({ weekday, startMinute: startHour * hour, endMinute: endHour * hour }));

export type PlanKey = 'full' | 'basic' | 'student' | 'evening' | 'supporter';
export const planKeys = ['full', 'basic', 'student', 'evening', 'supporter'] as const;
/** How members divide among the plans. */
export const planWeights: Readonly<Record<PlanKey, number>> = {
  full: 34,
  basic: 38,
  student: 14,
  evening: 9,
  supporter: 5,
};

const plan = (name: string, description: string, priceMinor: number, interval: PlanCreate['interval']) => ({
  name,
  description,
  priceMinor,
  currency: 'EUR',
  interval,
  graceDays: 7,
  overdueDays: 30,
  active: true,
});
const plans: Readonly<Record<PlanKey, PlanCreate>> = {
  full: plan('Full', 'Every room that you are trained for, day and night', 4900, 'month'),
  basic: plan('Basic', 'During opening hours', 2900, 'month'),
  student: plan('Student', 'Weekdays from 9 to 18 o’clock, with a student card', 1500, 'month'),
  evening: plan('Evenings', 'Wednesday and Friday evenings', 1900, 'month'),
  supporter: plan('Supporter', 'Supports the space; opens no door', 6000, 'year'),
};

export type GroupKey = 'laser' | 'metal' | 'keyholders' | 'office';
const groups: Readonly<Record<GroupKey, { readonly name: string; readonly description: string }>> = {
  laser: { name: 'Laser cutter', description: 'Trained on the laser cutter' },
  metal: { name: 'Lathe and mill', description: 'Trained in the metal shop' },
  keyholders: { name: 'Keyholders', description: 'Open and close the space; every door at any time' },
  office: { name: 'Board', description: 'Keeps the books' },
};

export type DoorKey = 'front' | 'workshop' | 'laser' | 'metal' | 'storage' | 'office';
/** The doors of `config/demo-bridge.yaml`. */
export const doors: readonly {
  readonly key: DoorKey;
  readonly name: string;
  readonly area: 'Members' | 'Laser lab' | 'Metal shop' | 'Office';
  readonly settings: Partial<PortalSettings>;
}[] = [
  { key: 'front', name: 'Front door', area: 'Members', settings: {} },
  { key: 'workshop', name: 'Workshop', area: 'Members', settings: { requiresWaiver: true } },
  { key: 'laser', name: 'Laser lab', area: 'Laser lab', settings: { heldOpenSeconds: 60 } },
  { key: 'metal', name: 'Metal shop', area: 'Metal shop', settings: { requiresWaiver: true } },
  { key: 'storage', name: 'Storage', area: 'Members', settings: { maxPolicyAgeMinutes: 720 } },
  { key: 'office', name: 'Office', area: 'Office', settings: { onUntrustedClock: 'deny' } },
];

const holidays: readonly { readonly day: string; readonly name: string }[] = [
  { day: '01-01', name: 'New Year’s Day' },
  { day: '03-08', name: 'Women’s Day' },
  { day: '05-01', name: 'Labour Day' },
  { day: '08-15', name: 'Summer cleaning' },
  { day: '10-03', name: 'German Unity Day' },
  { day: '12-24', name: 'Christmas Eve' },
  { day: '12-25', name: 'Christmas Day' },
  { day: '12-26', name: 'Boxing Day' },
  { day: '12-31', name: 'New Year’s Eve' },
];

/** The contents of the space, by their own names. */
export interface Space {
  readonly bridgeId: string;
  readonly planIds: Readonly<Record<PlanKey, string>>;
  readonly groupIds: Readonly<Record<GroupKey, string>>;
  readonly portalIds: ReadonlyMap<DoorKey, string>;
}

async function createPlansAndGroups(
  members: MemberDeps,
  actor: Actor,
): Promise<Pick<Space, 'planIds' | 'groupIds'>> {
  const planId = async (key: PlanKey): Promise<string> =>
    must(await createPlan(members, actor, plans[key])).id;
  const groupId = async (key: GroupKey): Promise<string> =>
    must(await createGroup(members, actor, groups[key])).id;
  return {
    planIds: {
      full: await planId('full'),
      basic: await planId('basic'),
      student: await planId('student'),
      evening: await planId('evening'),
      supporter: await planId('supporter'),
    },
    groupIds: {
      laser: await groupId('laser'),
      metal: await groupId('metal'),
      keyholders: await groupId('keyholders'),
      office: await groupId('office'),
    },
  };
}

async function createRules(
  access: Access,
  actor: Actor,
  areaIds: ReadonlyMap<string, string>,
  { planIds, groupIds }: Pick<Space, 'planIds' | 'groupIds'>,
): Promise<void> {
  const area = (name: string) => ({ kind: 'area', id: areaIds.get(name) ?? '' }) as const;
  const ofPlan = (key: PlanKey) => ({ kind: 'plan', id: planIds[key] }) as const;
  const ofGroup = (key: GroupKey) => ({ kind: 'group', id: groupIds[key] }) as const;
  const anyTime = { windows: [], outsideOpeningHours: true, validFrom: null, validUntil: null };
  const open = { ...anyTime, outsideOpeningHours: false };
  const rules = [
    {
      name: 'Keyholders everywhere',
      subject: ofGroup('keyholders'),
      target: { kind: 'site' } as const,
      ...anyTime,
    },
    { name: 'Full members, any time', subject: ofPlan('full'), target: area('Members'), ...anyTime },
    { name: 'Basic members when open', subject: ofPlan('basic'), target: area('Members'), ...open },
    {
      name: 'Students on weekdays',
      subject: ofPlan('student'),
      target: area('Members'),
      ...open,
      windows: daily([1, 2, 3, 4, 5], 9, 18),
    },
    {
      name: 'Evenings',
      subject: ofPlan('evening'),
      target: area('Members'),
      ...open,
      windows: daily([3, 5], 17, 22),
    },
    { name: 'Laser users when open', subject: ofGroup('laser'), target: area('Laser lab'), ...open },
    { name: 'Metal workers when open', subject: ofGroup('metal'), target: area('Metal shop'), ...open },
    { name: 'Board in the office', subject: ofGroup('office'), target: area('Office'), ...anyTime },
  ];
  for (const rule of rules) must(await createRule(access.deps, actor, rule));
}

/** Years of the site's calendar that the demo's year touches. */
async function createHours(places: PlaceDeps, actor: Actor, years: readonly number[]): Promise<void> {
  const windows = [...daily([1, 2, 3, 4, 5], 10, 22), ...daily([6, 7], 12, 20)];
  must(await putOpeningHours(places, actor, { areaId: null, windows }));
  for (const year of years)
    for (const { day, name } of holidays)
      must(await createHoliday(places, actor, { date: `${year}-${day}`, name, areaId: null, windows: [] }));
}

/** Sets the space up: plans, groups, areas with their doors, hours, holidays, rules. The bridge has said hello before. */
export async function createSpace(
  { access, members, places }: Pick<DemoHub, 'access' | 'members' | 'places'>,
  actor: Actor,
  bridgeId: string,
  years: readonly number[],
): Promise<Space> {
  const { deps } = access;
  const made = await createPlansAndGroups(members, actor);
  const building = must(await createArea(places, actor, { name: 'Werkhof', parentId: null }));
  const areaIds = new Map<string, string>();
  for (const name of new Set(doors.map((door) => door.area)))
    areaIds.set(name, must(await createArea(places, actor, { name, parentId: building.id })).id);
  const portals = (await loadPortals(deps, deps.store.read)).filter((portal) => portal.bridgeId === bridgeId);
  const portalIds = new Map<DoorKey, string>();
  for (const { key, name, area, settings } of doors) {
    const portal = portals.find((candidate) => candidate.key === key);
    assert(portal !== undefined, `the bridge announced the door ${key}`);
    const { id, version } = portal;
    must(await changePortal(deps, actor, id, { version, name, areaId: areaIds.get(area) ?? null, settings }));
    portalIds.set(key, id);
  }
  await createHours(places, actor, years);
  await createRules(access, actor, areaIds, made);
  return { bridgeId, ...made, portalIds };
}
