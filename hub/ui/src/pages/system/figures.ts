import { hubNowMs } from '../../live/api.ts';
import { calendarDay, exactClockTime, span } from '../../state/time-format.ts';

interface Figure {
  readonly unit: 'bytes' | 'count' | 'milliseconds' | 'seconds' | 'time' | 'text' | 'yesNo';
  readonly value: number | string | boolean | null;
}

const number = new Intl.NumberFormat([], { maximumFractionDigits: 1 });
const byteUnits = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

function bytes(value: number): string {
  const step = value < 1 ? 0 : Math.min(byteUnits.length - 1, Math.floor(Math.log2(value) / 10));
  return `${number.format(value / 1024 ** step)} ${byteUnits[step]}`;
}

const dayMs = 86_400_000;
/** Formats a recent time with its clock, others as a date with the year. */
const moment = (at: string): string =>
  Math.abs(Date.parse(at) - hubNowMs()) < dayMs ? exactClockTime(at) : calendarDay(at);

/** Formats a figure of the health report. */
export function figureInWords({ unit, value }: Figure): string {
  if (value === null) return 'not known yet';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return unit === 'time' ? moment(value) : value;
  if (unit === 'bytes') return bytes(value);
  if (unit === 'seconds') return span(value);
  return unit === 'milliseconds' ? `${number.format(value)} ms` : number.format(value);
}
