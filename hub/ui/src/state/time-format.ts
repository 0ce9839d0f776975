import { createSubscriber } from 'svelte/reactivity';
import { hubNowMs } from '../live/api.ts';

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

/** The time by the hub's clock; whatever reads it in a component is brought up to date every second. */
export function nowMs(): number {
  tick();
  return hubNowMs();
}

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const exactTime = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });
const date = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short', year: 'numeric' });

const isToday = (moment: Date): boolean => moment.toDateString() === new Date(hubNowMs()).toDateString();

/** `12:03` today, else `4 Nov, 12:03`. Takes ISO 8601 or UTC ms. */
export function clockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? time.format(moment) : `${day.format(moment)}, ${time.format(moment)}`;
}
/** `12:03` today, else `4 Nov 2026, 12:03`: for what may be years ago. */
export function datedClockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? time.format(moment) : `${date.format(moment)}, ${time.format(moment)}`;
}
/** `12:03:41` today, else with the day. */
export function exactClockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? exactTime.format(moment) : `${day.format(moment)}, ${exactTime.format(moment)}`;
}
/** `4 Nov 2026` */
export const calendarDay = (at: string | number): string => date.format(new Date(at));

const two = (value: number): string => String(value).padStart(2, '0');
/** `2026-11-04` on this device's calendar, as date fields take it. */
export function toDateField(at: string | number): string {
  const moment = new Date(at);
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}
/** `2026-11-04T12:03` on this device's clock, as date-and-time fields take it. */
export function toMomentField(at: string | number): string {
  const moment = new Date(at);
  return `${toDateField(at)}T${two(moment.getHours())}:${two(moment.getMinutes())}`;
}
/** A date or date-and-time field's value as ISO 8601 in UTC; null when it is empty. */
export function fieldToIso(value: string): string | null {
  if (value === '') return null;
  return new Date(value.includes('T') ? value : `${value}T00:00`).toISOString();
}

const dayMs = 86_400_000;
/** The last day of a period, as a date field gives it, as the first moment after it. */
export function lastDayToIso(value: string): string | null {
  if (value === '') return null;
  const moment = new Date(`${value}T00:00`);
  moment.setDate(moment.getDate() + 1);
  return moment.toISOString();
}
/** The last day before a moment, as date fields take it. */
export const isoToLastDay = (until: string | null): string =>
  until === null ? '' : toDateField(Date.parse(until) - 1);
/** `4 Nov 2026`: the last day before a moment. */
export const lastDay = (until: string): string => calendarDay(Date.parse(until) - 1);
/** The date `days` from now, as date fields take it. */
export const dateFieldIn = (days: number): string => toDateField(hubNowMs() + days * dayMs);

const spans = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** `2 hours`: the largest unit that fits. */
export function span(seconds: number): string {
  const [unit, length] = spans.find(([, candidate]) => seconds >= candidate) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
