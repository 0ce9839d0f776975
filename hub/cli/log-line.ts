import { isRecord, textOf } from './command.ts';

export const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof levels)[number];
export const isLevel = (text: string): text is Level => levels.some((level) => level === text);

/** A longer line is cut: a log may hold anything after a crash. */
const maxCharacters = 64 * 1024;

export interface LogLine {
  /** Of which service: `hub`. */
  readonly service: string;
  /** UTC ms; null for what is no line of our log, such as the last words of a process. */
  readonly atMs: number | null;
  readonly level: Level | null;
  /** As it stands in the file, without control characters. */
  readonly raw: string;
  readonly fields: Readonly<Record<string, unknown>> | null;
}

// Whoever writes into a log could otherwise move the cursor of whoever reads it, or set the title of the window.
const withoutControls = (text: string): string => text.replaceAll(/(?!\t)\p{Cc}|\uFFFD/gu, '.');

export function readLogLine(service: string, text: string): LogLine {
  const cut =
    text.length > maxCharacters ? `${text.slice(0, maxCharacters)}... (${text.length} characters)` : text;
  const raw = withoutControls(cut);
  if (text.length > maxCharacters || !text.startsWith('{'))
    return { service, atMs: null, level: null, raw, fields: null };
  try {
    const fields: unknown = JSON.parse(text);
    if (!isRecord(fields)) throw new SyntaxError('no record');
    const level = textOf(fields['level']);
    const atMs = Date.parse(textOf(fields['time']));
    return {
      service,
      atMs: Number.isNaN(atMs) ? null : atMs,
      level: isLevel(level) ? level : null,
      raw,
      fields,
    };
  } catch {
    return { service, atMs: null, level: null, raw, fields: null };
  }
}

const colours: Readonly<Record<Level, string>> = {
  trace: '90',
  debug: '90',
  info: '32',
  warn: '33',
  error: '31',
  fatal: '1;31',
};

const valueText = (value: unknown): string =>
  withoutControls(typeof value === 'string' && /^[\w./:@{}+-]+$/.test(value) ? value : JSON.stringify(value));

/** The stack of a logged error, line by line. */
function stackLines(error: unknown): readonly string[] {
  if (!isRecord(error)) return [];
  const own = textOf(error['stack']) || textOf(error['message']);
  return [
    ...own.split('\n').map((line) => `    ${withoutControls(line)}`),
    ...stackLines(error['cause']).map((line, index) => (index === 0 ? `    caused by ${line.trim()}` : line)),
  ];
}

/** A line for people: `2026-11-23 12:03:41.123Z INFO  hub/http request route=/api/members status=200`. */
export function formatLogLine(line: LogLine, coloured: boolean): readonly string[] {
  const { fields, service, level, atMs } = line;
  if (fields === null) return [`${service}: ${line.raw}`];
  const { level: _level, time: _time, msg, subsystem, err, ...rest } = fields;
  const mark = (level ?? '?').toUpperCase().padEnd(5);
  const time = atMs === null ? '?' : new Date(atMs).toISOString().replace('T', ' ');
  const from = typeof subsystem === 'string' ? `${service}/${subsystem}` : service;
  const values = Object.entries(rest).map(([name, value]) => `${withoutControls(name)}=${valueText(value)}`);
  const colour = coloured && level !== null ? `\u001B[${colours[level]}m${mark}\u001B[0m` : mark;
  return [
    [time, colour, withoutControls(from), withoutControls(textOf(msg)), ...values].join(' ').trimEnd(),
    ...stackLines(err),
  ];
}
