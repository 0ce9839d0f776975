import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import type { PolicyDocument } from '#hub/domains/access/decide/policy-schema.ts';
import { endLockdown, lockDown } from '#hub/domains/access/doors/command-workflow.ts';
import { takeSlice } from '#hub/domains/access/events/workflow.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { advanceDueMemberships } from '#hub/domains/members/memberships/workflow.ts';
import { admittingMembershipStates } from '#hub/domains/members/schema.ts';
import { assert } from '#hub/kernel/result.ts';
import { dayMs, localMomentAt, offsetMinutesAt, type ZoneOffsets } from '#hub/kernel/time.ts';
import type { Transaction } from '#hub/store/store.ts';
import { hubRetention, pruneAllChanges } from '#hub/store/writing/change-retention.ts';
import type { DemoYear } from './biography.ts';
import type { Chance } from './chance.ts';
import type { DemoHub } from './demo-hub.ts';
import type { DemoJournal } from './journal.ts';
import type { DemoMember, Roster } from './roster.ts';
import { type DoorKey, must, type Space } from './space.ts';
import type { PlannedStep } from './steps.ts';
import { busynessOf, Doorkeeper, type Trouble } from './visits.ts';

const hourMs = 3_600_000;
const sliceSize = 500;

export interface YearOptions {
  readonly hub: DemoHub;
  readonly roster: Roster;
  readonly space: Space;
  readonly actor: Actor;
  readonly journal: DemoJournal;
  readonly year: DemoYear;
  /** In the order of time. */
  readonly steps: readonly PlannedStep[];
  readonly chance: Chance;
  /** How many events there are to be, about. */
  readonly events: number;
  readonly zone: ZoneOffsets;
  readonly policyNow: (tx: Transaction) => Promise<{
    readonly document: PolicyDocument;
    readonly version: { readonly epoch: number; readonly revision: number };
  }>;
  readonly onProgress: (share: number) => void;
}

/** Days of the year (counted from its beginning) on which something is wrong. */
interface Calendar {
  readonly troubles: readonly Trouble[];
  readonly lockdowns: ReadonlyMap<number, { readonly door: DoorKey; readonly reason: string }>;
}

function planCalendar(chance: Chance, { startMs }: DemoYear): Calendar {
  const on = (day: number, fromHour: number, hours: number, kind: Trouble['kind']): Trouble => {
    const fromMs = startMs + day * dayMs + fromHour * hourMs;
    return { fromMs, untilMs: fromMs + hours * hourMs, kind };
  };
  const some = (from: number, to: number): number => chance.between(from, to);
  return {
    troubles: [
      on(some(20, 60), 11, 9, 'noTime'),
      on(some(90, 120), 15, 6, 'noTime'),
      on(some(230, 280), 12, 8, 'noTime'),
      on(some(130, 150), 8, 60, 'hubAway'),
      on(some(300, 330), 7, 40, 'hubAway'),
      on(some(160, 180), 17, 0.5, 'diskFull'),
    ],
    lockdowns: new Map([
      [some(30, 80), { door: 'workshop', reason: 'Smell of solvent: nobody in until it is aired' }],
      [some(140, 200), { door: 'laser', reason: 'The extractor is broken' }],
      [some(210, 260), { door: 'storage', reason: 'Stocktaking' }],
      [some(290, 340), { door: 'front', reason: 'Water damage: the fire brigade is in the house' }],
    ]),
  };
}

/** Picks members in proportion to how often each comes. */
class Crowd {
  readonly #members: readonly DemoMember[];
  readonly #upTo: Float64Array;

  constructor(roster: Roster) {
    this.#members = roster.present;
    this.#upTo = new Float64Array(this.#members.length);
    let sum = 0;
    for (const [index, member] of this.#members.entries()) {
      sum += Crowd.#weight(roster, member);
      this.#upTo[index] = sum;
    }
  }

  static #weight(roster: Roster, member: DemoMember): number {
    const card = member.cards.at(-1);
    const facts = card === undefined ? undefined : roster.factsOf(card);
    if (facts === undefined) return 0;
    const { activity } = member.biography;
    if (facts.memberStatus !== 'active') return activity * 0.12;
    if (!admittingMembershipStates.includes(facts.membershipState)) return activity * 0.12;
    return facts.onHold ? activity * 0.3 : activity;
  }

  pick(chance: Chance): DemoMember | null {
    const wanted = chance.next() * (this.#upTo.at(-1) ?? 0);
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return this.#members[low] ?? null;
  }
}

/** Plays a day at the doors: people first, then everything else. */
function keepDoors(
  keeper: Doorkeeper,
  { roster, chance }: YearOptions,
  day: {
    readonly date: string;
    readonly events: number;
    /** Those that begin on it. */
    readonly troubles: readonly Trouble[];
    readonly locked: DoorKey | undefined;
  },
): void {
  const { date } = day;
  const crowd = new Crowd(roster);
  for (const trouble of day.troubles) {
    if (trouble.kind === 'noTime') keeper.powerCut(trouble);
    if (trouble.kind === 'diskFull') keeper.gap(trouble);
    for (let tries = 0; tries < 4; tries += 1) keeper.meetTrouble(trouble, crowd.pick(chance));
  }
  if (day.locked !== undefined)
    for (let tries = 0; tries < 3; tries += 1) keeper.meetLockedDoor(day.locked, date, crowd.pick(chance));
  const strangers = day.events * 0.006;
  for (let count = chance.next(); count < strangers; count += 1) keeper.stranger(date);
  for (let count = chance.next(); count < day.events * 0.0012; count += 1) keeper.badRead(date);
  if (chance.isIn(0.4)) keeper.remoteUnlock(date);
  if (chance.isIn(0.07)) keeper.forced(date);
  if (chance.isIn(0.006)) keeper.tamper(date);
  while (keeper.happenings.length < day.events) {
    const member = crowd.pick(chance);
    if (member === null) return;
    keeper.visit(member, date);
  }
}

/** Steps that staff take on this day, and what time does to memberships. */
async function changeTheDay(
  { hub, roster, space, actor }: YearOptions,
  tx: Transaction,
  { steps, lockdown, unlocks }: DemoDay,
): Promise<void> {
  const { deps } = hub.access;
  const portalId = (key: DoorKey): string => space.portalIds.get(key) ?? '';
  for (const { biography, step } of steps) await roster.take(biography, step, tx);
  await advanceDueMemberships({ ...hub.members, clock: hub.clock });
  if (unlocks !== undefined) must(await endLockdown(deps, actor, portalId(unlocks)));
  if (lockdown !== undefined) must(await lockDown(deps, actor, portalId(lockdown.door), lockdown.reason));
  await roster.refresh(tx);
}

async function storeEvents(
  { hub, space, journal }: YearOptions,
  tx: Transaction,
  events: readonly BridgeEvent[],
) {
  for (let start = 0; start < events.length; start += sliceSize) {
    const slice = events.slice(start, start + sliceSize);
    const taken = await takeSlice(tx, hub.access.deps, space.bridgeId, journal.journalId, slice);
    assert(taken.added.length === slice.length, 'the hub takes every event of the demo');
  }
}

/** Midnight on the wall of the site at the beginning of a date, UTC ms. */
function midnightOf(zone: ZoneOffsets, date: string): number {
  const wallMs = Date.parse(`${date}T00:00:00Z`);
  return wallMs - offsetMinutesAt(zone, wallMs) * 60_000;
}

/** The dates that the year touches, on the wall of the site. */
function datesOf(zone: ZoneOffsets, { startMs, endMs }: DemoYear): string[] {
  const last = localMomentAt(zone, endMs - 1).date;
  const dates: string[] = [];
  for (let date = localMomentAt(zone, startMs).date; date <= last; date = dayAfter(date)) dates.push(date);
  return dates;
}

const dayAfter = (date: string): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + dayMs).toISOString().slice(0, 10);

interface DemoDay {
  readonly date: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Days that are still to be played, this one among them. */
  readonly daysLeft: number;
  readonly steps: readonly PlannedStep[];
  readonly lockdown: { readonly door: DoorKey; readonly reason: string } | undefined;
  /** The door whose lockdown ends. */
  readonly unlocks: DoorKey | undefined;
}

/** Makes the day's changes by staff and returns the events that the doors recorded. */
async function playDay(
  options: YearOptions,
  calendar: Calendar,
  day: DemoDay,
): Promise<readonly BridgeEvent[]> {
  const { hub, chance, journal } = options;
  const { date, startMs, endMs, lockdown, unlocks } = day;
  const opensMs = startMs + 9 * hourMs;
  hub.clock.advanceTo(opensMs);
  let events: readonly BridgeEvent[] = [];
  await hub.store.together(async (tx) => {
    await changeTheDay(options, tx, day);
    const policy = await options.policyNow(tx);
    const now = calendar.troubles.filter((trouble) => trouble.fromMs < endMs && trouble.untilMs > startMs);
    const keeper = new Doorkeeper(chance, { ...policy, troubles: now, roster: options.roster });
    const isHoliday = policy.document.exceptions.some((exception) => exception.date === date);
    const rest = Math.max(0, options.events - journal.lastSeq) / day.daysLeft;
    const isHeard = !now.some((trouble) => trouble.kind === 'hubAway');
    if (day.steps.length > 0 && isHeard) keeper.policyApplied(opensMs + 1200);
    if (lockdown !== undefined) keeper.modeChanged(lockdown.door, opensMs + 1300, 'lockdown');
    if (unlocks !== undefined) keeper.modeChanged(unlocks, opensMs + 1300, 'controlled');
    keepDoors(keeper, options, {
      date,
      events: Math.round(rest * busynessOf(date) * (isHoliday ? 0.15 : 1)),
      troubles: now.filter((trouble) => trouble.fromMs >= startMs),
      locked: lockdown?.door,
    });
    events = journal.write(keeper.happenings, endMs);
  });
  hub.clock.advanceTo(endMs);
  return events;
}

/** Plays the year day by day: what staff change, then what happens at the doors under the policy that follows from it. */
export async function playYear(options: YearOptions): Promise<void> {
  const { hub, chance, year, steps } = options;
  const calendar = planCalendar(chance, year);
  const dates = datesOf(options.zone, year);
  let next = 0;
  let locked: DoorKey | undefined;
  for (const [index, date] of dates.entries()) {
    const startMs = midnightOf(options.zone, date);
    const endMs = Math.min(year.endMs, midnightOf(options.zone, dayAfter(date)));
    const first = next;
    while ((steps[next]?.step.atMs ?? Number.POSITIVE_INFINITY) < endMs) next += 1;
    const lockdown = calendar.lockdowns.get(index);
    const events = await playDay(options, calendar, {
      date,
      startMs,
      endMs,
      daysLeft: dates.length - index,
      steps: steps.slice(first, next),
      lockdown,
      unlocks: locked,
    });
    locked = lockdown?.door;
    // Daily and more often at a hub that runs.
    if (index % 30 === 0) {
      await hub.access.maintain();
      await pruneAllChanges(hub.store, hubRetention);
    }
    await hub.store.together((tx) => storeEvents(options, tx, events));
    options.onProgress((index + 1) / dates.length);
  }
}
