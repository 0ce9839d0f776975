import { dayMs } from '#hub/kernel/time.ts';
import type { Chance } from './chance.ts';
import type { DemoPerson } from './people.ts';
import { type GroupKey, type PlanKey, planKeys, planWeights } from './space.ts';

/** Something that staff do about a member at a moment of the year. */
export type Step = { readonly atMs: number } & (
  | { readonly kind: 'join'; readonly waiver: boolean }
  | { readonly kind: 'membership'; readonly state: 'applied' | 'pending' | 'trial' | 'active' }
  | {
      readonly kind: 'membershipEvent';
      readonly event: 'activate' | 'paymentMissed' | 'renew' | 'pause' | 'resume';
    }
  | { readonly kind: 'cancel'; readonly noticeDays: number }
  | { readonly kind: 'card'; readonly label: string; readonly temporaryDays: number | null }
  | { readonly kind: 'cardStatus'; readonly action: 'lose' | 'retire' | 'suspend' }
  | { readonly kind: 'train'; readonly group: GroupKey }
  | { readonly kind: 'signWaiver' }
  | { readonly kind: 'hold'; readonly reason: string }
  | { readonly kind: 'release' }
  | { readonly kind: 'suspend'; readonly reason: string }
  | { readonly kind: 'reactivate' }
  | { readonly kind: 'leave' }
);

/** One member's year: who it is, what happens to them, and how often and when they come. */
export interface Biography {
  readonly person: DemoPerson;
  readonly plan: PlanKey;
  readonly steps: readonly Step[];
  /** How often they come, compared with others. */
  readonly activity: number;
  /** Comes in the morning, the afternoon or the evening. */
  readonly habit: 'morning' | 'afternoon' | 'evening';
}

const holdReasons = [
  'Left the laser running unattended; talk to the safety team first',
  'Deposit for the locker is open',
  'Damaged the band saw and did not report it',
  'Invoice returned by the bank',
] as const;
const suspensionReasons = ['Broke the house rules twice', 'Unpaid for three months', 'On request'] as const;

/** The year's bounds, UTC ms. */
export interface DemoYear {
  readonly startMs: number;
  readonly endMs: number;
}

/** In a working hour of a day between two moments: staff do these things, not machines. */
function moment(chance: Chance, fromMs: number, untilMs: number): number {
  const day = Math.floor((fromMs + chance.next() * Math.max(0, untilMs - fromMs)) / dayMs) * dayMs;
  const atMs = day + (9 + chance.next() * 9) * 3_600_000;
  return Math.round(Math.min(Math.max(atMs, fromMs), untilMs));
}

interface Draft {
  readonly chance: Chance;
  readonly year: DemoYear;
  readonly joinedMs: number;
  readonly steps: Step[];
}

/** Somewhere in the part of the year that the member has seen, leaving `restDays` after it; null when there is none. */
function during({ chance, year, joinedMs }: Draft, restDays: number): number | null {
  const fromMs = Math.max(year.startMs, joinedMs) + 3 * dayMs;
  const untilMs = year.endMs - restDays * dayMs;
  return untilMs <= fromMs ? null : moment(chance, fromMs, untilMs);
}

/** At most one of these happens to a membership, so that no step meets a state that it is not allowed in. */
function membershipSteps(draft: Draft): void {
  const { chance, steps, year } = draft;
  const turn = chance.next();
  const atMs = during(draft, 1);
  if (atMs === null) return;
  const later = (days: number): number => Math.min(year.endMs - 1, atMs + days * dayMs);
  if (turn < 0.09) {
    steps.push({ atMs, kind: 'membershipEvent', event: 'paymentMissed' });
    const pays = later(chance.between(2, 30));
    if (chance.isIn(0.6) && pays < year.endMs - 1)
      steps.push({ atMs: pays, kind: 'membershipEvent', event: 'renew' });
  } else if (turn < 0.13) {
    steps.push({ atMs, kind: 'membershipEvent', event: 'pause' });
    const back = later(chance.between(20, 90));
    if (back < year.endMs - 1) steps.push({ atMs: back, kind: 'membershipEvent', event: 'resume' });
  } else if (turn < 0.21) {
    const noticeDays = chance.between(14, 60);
    steps.push({ atMs, kind: 'cancel', noticeDays });
    const gone = later(noticeDays + 2);
    if (chance.isIn(0.5) && gone < year.endMs - 1) steps.push({ atMs: gone, kind: 'leave' });
  } else if (turn < 0.235) {
    steps.push({ atMs, kind: 'suspend', reason: chance.pick(suspensionReasons) });
    const back = later(chance.between(10, 60));
    if (chance.isIn(0.4) && back < year.endMs - 1) steps.push({ atMs: back, kind: 'reactivate' });
  } else if (turn < 0.27) {
    steps.push({ atMs, kind: 'hold', reason: chance.pick(holdReasons) });
    const settled = later(chance.between(3, 40));
    if (chance.isIn(0.6) && settled < year.endMs - 1) steps.push({ atMs: settled, kind: 'release' });
  }
}

function cardSteps(draft: Draft): void {
  const { chance, steps, joinedMs, year } = draft;
  const first = Math.min(year.endMs - 1, joinedMs + 1000);
  const isTemporary = chance.isIn(0.05);
  if (chance.isIn(0.02)) return;
  steps.push({
    atMs: first,
    kind: 'card',
    label: isTemporary ? 'Day card' : 'Card',
    temporaryDays: isTemporary ? chance.between(10, 200) : null,
  });
  const turn = chance.next();
  const atMs = during(draft, 2);
  if (atMs === null || turn >= 0.17) return;
  const action = turn < 0.1 ? 'lose' : turn < 0.14 ? 'retire' : 'suspend';
  steps.push({ atMs, kind: 'cardStatus', action });
  if (action !== 'suspend')
    steps.push({
      atMs: atMs + 60_000,
      kind: 'card',
      label: action === 'lose' ? 'New card' : 'Key fob',
      temporaryDays: null,
    });
}

function trainingSteps(draft: Draft, isKeyholder: boolean): void {
  const { chance, steps, joinedMs, year } = draft;
  const train = (group: GroupKey, share: number): void => {
    if (!chance.isIn(share)) return;
    const atMs = Math.min(year.endMs - 1, joinedMs + chance.between(1, 120) * dayMs);
    steps.push({ atMs: Math.max(atMs, joinedMs + 2000), kind: 'train', group });
  };
  train('laser', 0.35);
  train('metal', 0.18);
  train('office', 0.015);
  if (isKeyholder) train('keyholders', 1);
}

/** Most were members before the year began; the others join in its course. */
function joinedAt(chance: Chance, { startMs, endMs }: DemoYear): number {
  return chance.isIn(0.68)
    ? moment(chance, startMs - 900 * dayMs, startMs - dayMs)
    : moment(chance, startMs + dayMs, endMs - dayMs / 2);
}

const habits = ['morning', 'afternoon', 'evening'] as const;

/** Invents the year of one member. */
export function inventBiography(chance: Chance, person: DemoPerson, year: DemoYear): Biography {
  const plan = planKeys[chance.weighted(planKeys.map((key) => planWeights[key]))] ?? 'basic';
  const joinedMs = joinedAt(chance, year);
  const draft: Draft = { chance, year, joinedMs, steps: [] };
  const hasWaiver = chance.isIn(0.94);
  draft.steps.push({ atMs: joinedMs, kind: 'join', waiver: hasWaiver });
  const isNew = joinedMs > year.endMs - 10 * dayMs;
  const state =
    isNew && chance.isIn(0.4) ? 'applied' : chance.isIn(0.25) && joinedMs > year.startMs ? 'trial' : 'active';
  draft.steps.push({ atMs: joinedMs + 500, kind: 'membership', state });
  if (state === 'trial') {
    const decidesMs = joinedMs + chance.between(7, 13) * dayMs;
    if (chance.isIn(0.8) && decidesMs < year.endMs)
      draft.steps.push({ atMs: decidesMs, kind: 'membershipEvent', event: 'activate' });
  } else if (state === 'active') membershipSteps(draft);
  cardSteps(draft);
  trainingSteps(draft, plan === 'full' && chance.isIn(0.06));
  const signs = during(draft, 1);
  if (!hasWaiver && signs !== null && chance.isIn(0.6)) draft.steps.push({ atMs: signs, kind: 'signWaiver' });
  return {
    person,
    plan,
    steps: draft.steps,
    activity: 0.1 + chance.next() ** 3 * 3,
    habit: habits[chance.weighted([2, 3, 5])] ?? 'evening',
  };
}
