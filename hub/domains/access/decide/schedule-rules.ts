import type { ScheduleException, WeeklyWindow } from '#hub/domains/places/schema.ts';
import { type LocalMoment, localMomentAt, previousDay, type ZoneOffsets } from '#hub/kernel/time.ts';
import type { Identification, PortalMode, PortalSettings } from '../schema.ts';
import type { PolicyDocument, PolicyPortal } from './policy-schema.ts';

type DayWindow = Pick<WeeklyWindow, 'startMinute' | 'endMinute'>;

const crossesMidnight = (window: DayWindow): boolean => window.endMinute <= window.startMinute;

/** Whether a window that starts today holds at `minute` of today. */
const holdsToday = (window: DayWindow, minute: number): boolean =>
  minute >= window.startMinute && (crossesMidnight(window) || minute < window.endMinute);

/** Whether a window that started yesterday still holds at `minute` of today. */
const holdsFromYesterday = (window: DayWindow, minute: number): boolean =>
  crossesMidnight(window) && minute < window.endMinute;

/**
 * Whether the wall clock is inside a weekly window. Windows follow the wall clock: in the hour that a DST change
 * repeats they hold both times, the hour that it skips is in none.
 */
export function isInWindow(window: WeeklyWindow, moment: LocalMoment): boolean {
  if (window.weekday === moment.weekday && holdsToday(window, moment.minute)) return true;
  return window.weekday === previousDay(moment).weekday && holdsFromYesterday(window, moment.minute);
}

/** Areas from the portal's own up to the site (''). A cycle in the parents ends the walk. */
export function areaChain(
  areaId: string | null,
  areaParents: PolicyDocument['areaParents'],
): readonly string[] {
  const chain: string[] = [];
  let current = areaId;
  while (current !== null && !chain.includes(current)) {
    chain.push(current);
    current = areaParents[current] ?? null;
  }
  chain.push('');
  return chain;
}

/** The exception of the day that is nearest to the portal: its own area's before its parents' before the site's. */
function exceptionOn(
  date: string,
  chain: readonly string[],
  exceptions: readonly ScheduleException[],
): ScheduleException | undefined {
  const ofDay = exceptions.filter((exception) => exception.date === date);
  for (const areaId of chain) {
    const found = ofDay.find((exception) => (exception.areaId ?? '') === areaId);
    if (found) return found;
  }
  return undefined;
}

export type Opening = 'open' | 'closed' | 'holiday';

/** Whether the place behind a portal is open at a local moment; `holiday`: a schedule exception closed it. */
export function openingAt(
  policy: Pick<PolicyDocument, 'areaParents' | 'openingHours' | 'exceptions'>,
  areaId: string | null,
  moment: LocalMoment,
): Opening {
  const chain = areaChain(areaId, policy.areaParents);
  const hoursOf = chain.find((id) => policy.openingHours[id] !== undefined);
  const weekly = hoursOf === undefined ? undefined : policy.openingHours[hoursOf];
  const windowsOf = (date: string, weekday: number): readonly DayWindow[] | undefined =>
    exceptionOn(date, chain, policy.exceptions)?.windows ??
    weekly?.filter((window) => window.weekday === weekday);
  const yesterday = previousDay(moment);
  if (
    windowsOf(yesterday.date, yesterday.weekday)?.some((window) => holdsFromYesterday(window, moment.minute))
  )
    return 'open';
  const today = windowsOf(moment.date, moment.weekday);
  if (today === undefined) return 'open';
  if (today.some((window) => holdsToday(window, moment.minute))) return 'open';
  return exceptionOn(moment.date, chain, policy.exceptions) === undefined ? 'closed' : 'holiday';
}

/** The mode that the portal's schedule asks for; `controlled` outside all of its windows. */
export function scheduledModeAt(
  portal: PolicyPortal,
  zone: ZoneOffsets,
  atMs: number,
): 'unlocked' | 'cardOnly' | 'locked' | 'controlled' {
  if (portal.settings.schedule.length === 0) return 'controlled';
  const moment = localMomentAt(zone, atMs);
  const active = portal.settings.schedule.filter((entry) => isInWindow(entry.window, moment));
  for (const mode of ['locked', 'unlocked', 'cardOnly'] as const)
    if (active.some((entry) => entry.mode === mode)) return mode;
  return 'controlled';
}

/** What an identification takes beside a card and its member's PIN, which every one takes. */
const takesAlone: Readonly<Record<Identification, { readonly card: boolean; readonly number: boolean }>> = {
  card: { card: true, number: false },
  cardAndPin: { card: false, number: false },
  pin: { card: false, number: true },
  cardOrPin: { card: true, number: true },
};

/** What a door takes: a card without a PIN, a member's number with a PIN. A card with its member's PIN it always takes. */
export interface WaysIn {
  readonly card: boolean;
  readonly number: boolean;
}

const takesBoth = (values: readonly Identification[]): WaysIn => ({
  card: values.every((value) => takesAlone[value].card),
  number: values.every((value) => takesAlone[value].number),
});

/**
 * What a door takes at a moment: the value of the windows that hold, else the standing one. Of several, and of all of them
 * when the time is not to be trusted, only what each of them takes.
 */
export function waysInAt(
  settings: Pick<PortalSettings, 'identification' | 'identificationWindows'>,
  zone: ZoneOffsets,
  atMs: number,
  isTimeKnown: boolean,
): WaysIn {
  const { identification, identificationWindows } = settings;
  const all = identificationWindows.map((entry) => entry.identification);
  if (!isTimeKnown) return takesBoth([identification, ...all]);
  if (all.length === 0) return takesBoth([identification]);
  const moment = localMomentAt(zone, atMs);
  const active = identificationWindows.filter((entry) => isInWindow(entry.window, moment));
  return takesBoth(active.length === 0 ? [identification] : active.map((entry) => entry.identification));
}

/** The mode that settings, schedule and override ask for; only the door itself knows of fire and of who came in first. */
export function plannedModeAt(portal: PolicyPortal, zone: ZoneOffsets, atMs: number): PortalMode {
  if (portal.override?.kind === 'lockdown') return 'lockdown';
  if (portal.override?.kind === 'holdOpen' && atMs < portal.override.untilMs) return 'heldOpen';
  return scheduledModeAt(portal, zone, atMs);
}
