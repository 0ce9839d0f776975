import type { WeeklyWindow } from '#hub/domains/places/schema.ts';

export const weekdays = [
  { number: 1, short: 'Mon', long: 'Monday' },
  { number: 2, short: 'Tue', long: 'Tuesday' },
  { number: 3, short: 'Wed', long: 'Wednesday' },
  { number: 4, short: 'Thu', long: 'Thursday' },
  { number: 5, short: 'Fri', long: 'Friday' },
  { number: 6, short: 'Sat', long: 'Saturday' },
  { number: 7, short: 'Sun', long: 'Sunday' },
] as const;

/** One row of the editor: the same hours on several weekdays. Times are `HH:MM`; an end of `00:00` means midnight. */
export interface WindowRow {
  readonly key: number;
  days: number[];
  start: string;
  end: string;
  mode: string;
}

let lastKey = 0;
export function newRow(days: number[], mode = ''): WindowRow {
  lastKey += 1;
  return { key: lastKey, days, start: '09:00', end: '18:00', mode };
}

const two = (value: number): string => String(value).padStart(2, '0');
const minuteToTime = (minute: number): string => `${two(Math.floor(minute / 60) % 24)}:${two(minute % 60)}`;
function timeToMinute(time: string): number {
  const [hours = '0', minutes = '0'] = time.split(':');
  return Number(hours) * 60 + Number(minutes);
}
/** Treats an end of midnight as the end of the same day. */
const endToMinute = (time: string): number => timeToMinute(time) || 1440;

export const endsNextDay = (row: Pick<WindowRow, 'start' | 'end'>): boolean =>
  endToMinute(row.end) <= timeToMinute(row.start);

/** True when both times are the same, which the hub refuses. */
export const hasNoLength = (row: Pick<WindowRow, 'start' | 'end'>): boolean =>
  row.start !== '' && endToMinute(row.end) === timeToMinute(row.start);

interface DayHours {
  readonly startMinute: number;
  readonly endMinute: number;
}
const rowToHours = (row: WindowRow): DayHours => ({
  startMinute: timeToMinute(row.start),
  endMinute: endToMinute(row.end),
});

export const rowsToDayHours = (rows: readonly WindowRow[]): DayHours[] => rows.map(rowToHours);
export const rowsToWindows = (rows: readonly WindowRow[]): (WeeklyWindow & { readonly mode: string })[] =>
  rows.flatMap((row) =>
    row.days
      .toSorted((left, right) => left - right)
      .map((weekday) => ({ weekday, ...rowToHours(row), mode: row.mode })),
  );

/** Groups days with the same hours and mode into one row. */
export function windowsToRows(
  windows: readonly (DayHours & { readonly weekday?: number; readonly mode?: string })[],
): WindowRow[] {
  const rows = new Map<string, WindowRow>();
  for (const { weekday, startMinute, endMinute, mode = '' } of windows) {
    const key = weekday === undefined ? `${rows.size}` : `${startMinute}-${endMinute}-${mode}`;
    const row = rows.get(key) ?? {
      ...newRow([], mode),
      start: minuteToTime(startMinute),
      end: minuteToTime(endMinute),
    };
    if (weekday !== undefined && !row.days.includes(weekday)) row.days.push(weekday);
    rows.set(key, row);
  }
  return [...rows.values()];
}

function describeDays(days: readonly number[]): string {
  if (days.length === 7) return 'Every day';
  const sorted = days.toSorted((left, right) => left - right);
  const short = (day: number | undefined): string => weekdays[(day ?? 1) - 1]?.short ?? '';
  const runs: number[][] = [];
  for (const day of sorted) {
    const run = runs.at(-1);
    if (run?.at(-1) === day - 1) run.push(day);
    else runs.push([day]);
  }
  return runs
    .map((run) => (run.length < 3 ? run.map(short).join(', ') : `${short(run[0])} to ${short(run.at(-1))}`))
    .join(', ');
}

const describeHours = (row: WindowRow): string => {
  if (row.start === '00:00' && row.end === '00:00') return 'all day';
  const end = row.end === '00:00' ? '24:00' : row.end;
  return `${row.start} to ${end}${endsNextDay(row) ? ' the next day' : ''}`;
};

/** Formats each row as `Mon to Fri 09:00 to 18:00`. */
export const describeWindows = (windows: Parameters<typeof windowsToRows>[0]): string[] =>
  windowsToRows(windows).map((row) =>
    row.days.length === 0 ? describeHours(row) : `${describeDays(row.days)} ${describeHours(row)}`,
  );
