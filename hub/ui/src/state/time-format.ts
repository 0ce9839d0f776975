import { createSubscriber } from 'svelte/reactivity';
import { hubNowMs } from '../live/api.ts';

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

/** Current time on the hub's clock; components that read it update every second. */
export function nowMs(): number {
  tick();
  return hubNowMs();
}

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const exactTime = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });
const date = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short', year: 'numeric' });

const isToday = (moment: Date): boolean => moment.toDateString() === new Date(hubNowMs()).toDateString();

/** Formats ISO 8601 or UTC ms as `12:03` today, else `4 Nov, 12:03`. */
export function clockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? time.format(moment) : `${day.format(moment)}, ${time.format(moment)}`;
}
/** Formats as `12:03` today, else `4 Nov 2026, 12:03`: for times that may be years ago. */
export function datedClockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? time.format(moment) : `${date.format(moment)}, ${time.format(moment)}`;
}
/** Formats as `12:03:41` today, else with the day. */
export function exactClockTime(at: string | number): string {
  const moment = new Date(at);
  return isToday(moment) ? exactTime.format(moment) : `${day.format(moment)}, ${exactTime.format(moment)}`;
}
/** Formats as `4 Nov 2026`. */
export const calendarDay = (at: string | number): string => date.format(new Date(at));

const two = (value: number): string => String(value).padStart(2, '0');
/** Formats as `2026-11-04` in this device's time zone, for date inputs. */
export function toDateField(at: string | number): string {
  const moment = new Date(at);
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}
/** Formats as `2026-11-04T12:03` in this device's time zone, for date-time inputs. */
export function toDateTimeField(at: string | number): string {
  const moment = new Date(at);
  return `${toDateField(at)}T${two(moment.getHours())}:${two(moment.getMinutes())}`;
}
/** Converts the value of a date or date-time input to ISO 8601 in UTC; null if empty. */
export function fieldToIso(value: string): string | null {
  if (value === '') return null;
  return new Date(value.includes('T') ? value : `${value}T00:00`).toISOString();
}

const dayMs = 86_400_000;
/** Converts the last day of a period, from a date input, to its exclusive end. */
export function lastDayToIso(value: string): string | null {
  if (value === '') return null;
  const moment = new Date(`${value}T00:00`);
  moment.setDate(moment.getDate() + 1);
  return moment.toISOString();
}
/** Converts an exclusive end to the last day of the period, for date inputs. */
export const isoToLastDay = (until: string | null): string =>
  until === null ? '' : toDateField(Date.parse(until) - 1);
/** Formats the last day of a period, given its exclusive end, as `4 Nov 2026`. */
export const lastDay = (until: string): string => calendarDay(Date.parse(until) - 1);
/** Returns the date `days` from now, for date inputs. */
export const dateFieldIn = (days: number): string => toDateField(hubNowMs() + days * dayMs);

const spans = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** Formats a duration in its largest unit, such as `2 hours`. */
export function span(seconds: number): string {
  const [unit, length] = spans.find(([, candidate]) => seconds >= candidate) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
