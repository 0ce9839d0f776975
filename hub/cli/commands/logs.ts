import { stat } from 'node:fs/promises';
import { type Command, type CommandContext, UsageProblem } from '../command.ts';
import { isLevel, type Level, type LogLine, levels } from '../log-line.ts';

const services = ['hub', 'bridge', 'simulator'];
const defaultLines = 200;
const maxLines = 100_000;

interface Wanted {
  readonly services: readonly string[];
  readonly level: Level | null;
  readonly sinceMs: number | null;
  readonly lines: number | null;
  readonly follow: boolean;
}

const spanMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time in ISO 8601 -> UTC ms; NaN for what is none. */
function readUtc(text: string): number {
  const isOpen = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?$/.test(text);
  return Date.parse(isOpen && text.length > 10 ? `${text.replace(' ', 'T')}Z` : text);
}

/** `15m`, `2h`, `1d`, or a time -> UTC ms. One without an offset is UTC, as the times that are printed. */
function readSince(text: string, nowMs: number): number {
  const span = /^(\d{1,6})([smhd])$/.exec(text);
  const atMs =
    span === null ? readUtc(text) : nowMs - Number(span[1]) * (spanMs[span[2] ?? ''] ?? Number.NaN);
  if (Number.isNaN(atMs))
    throw new UsageProblem(
      `--since takes a span (15m, 2h, 1d) or a time in ISO 8601 (UTC without an offset), not ${text}.`,
    );
  return atMs;
}

function readWanted({ operands, text, isSet }: CommandContext): Wanted {
  const [service, ...rest] = operands;
  if (rest.length > 0 || (service !== undefined && !services.includes(service)))
    throw new UsageProblem(`logs takes one of ${services.join(', ')}.`);
  const level = text('level') ?? null;
  if (level !== null && !isLevel(level)) throw new UsageProblem(`--level takes ${levels.join(', ')}.`);
  const since = text('since');
  const lines = text('lines');
  if (lines !== undefined && (!/^\d{1,6}$/.test(lines) || Number(lines) > maxLines))
    throw new UsageProblem(`--lines takes a number up to ${maxLines}.`);
  return {
    services: service === undefined ? services : [service],
    level,
    sinceMs: since === undefined ? null : readSince(since, Date.now()),
    lines: lines === undefined ? (since === undefined ? defaultLines : null) : Number(lines),
    follow: isSet('follow'),
  };
}

/** Filters lines. A line that is not of our log belongs to the one before it: the stack of a crash, mostly. */
class Sieve {
  readonly #wanted: Wanted;
  #lastAtMs: number | null = null;
  #isLastIn = true;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  takes(line: LogLine): boolean {
    const { sinceMs, level } = this.#wanted;
    if (line.atMs !== null) {
      this.#lastAtMs = line.atMs;
      this.#isLastIn = sinceMs === null || line.atMs >= sinceMs;
    }
    if (!this.#isLastIn) return false;
    return level === null || line.level === null || levels.indexOf(line.level) >= levels.indexOf(level);
  }

  /** Time of the line, or of the line before it if it has none. */
  orderMs(line: LogLine): number {
    return line.atMs ?? this.#lastAtMs ?? 0;
  }
}

interface Held {
  readonly line: LogLine;
  readonly orderMs: number;
}

/** Bounds memory: keeps only the last `lines`. */
function keepLast(held: Held[], lines: number | null): void {
  const limit = lines ?? maxLines;
  if (held.length > 2 * limit + 1000) held.splice(0, held.length - limit);
}

/** Reads the existing lines in order of time, and the offset from which to follow each file. */
async function readPast(context: CommandContext, wanted: Wanted, show: (line: LogLine) => void) {
  const { logFilesOf, readLines } = await import('../log-files.ts');
  const { readLogLine } = await import('../log-line.ts');
  const held: Held[] = [];
  const follow: { readonly service: string; readonly file: string; readonly offset: number }[] = [];
  for (const service of wanted.services) {
    const own: Held[] = [];
    const sieve = new Sieve(wanted);
    const files = logFilesOf(context.stateDir, service);
    for (const file of files) {
      const { size } = await stat(file);
      if (file === files.at(-1)) follow.push({ service, file, offset: size });
      for await (const text of readLines(file, size)) {
        const line = readLogLine(service, text);
        if (text !== '' && sieve.takes(line)) own.push({ line, orderMs: sieve.orderMs(line) });
        keepLast(own, wanted.lines);
      }
    }
    held.push(...own);
  }
  held.sort((left, right) => left.orderMs - right.orderMs);
  const shown = wanted.lines === null ? held : held.slice(Math.max(0, held.length - wanted.lines));
  for (const { line } of shown) show(line);
  return follow;
}

async function showJournal(wanted: Wanted, show: (line: LogLine) => void): Promise<void> {
  const { readJournal } = await import('../log-files.ts');
  const { readLogLine } = await import('../log-line.ts');
  await Promise.all(
    wanted.services
      .filter((service) => service !== 'simulator')
      .map(async (service) => {
        const sieve = new Sieve(wanted);
        for await (const text of readJournal(service, wanted)) {
          const line = readLogLine(service, text);
          if (text !== '' && sieve.takes(line)) show(line);
        }
      }),
  );
}

async function printer({ json, print }: CommandContext): Promise<(line: LogLine) => void> {
  const { formatLogLine } = await import('../log-line.ts');
  const coloured = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  return (line) => {
    if (!json) for (const text of formatLogLine(line, coloured)) print(text);
    else print(line.fields === null ? JSON.stringify({ service: line.service, text: line.raw }) : line.raw);
  };
}

export const logs: Command = {
  usage: 'logs [hub|bridge|simulator]',
  printsStyled: true,
  summary: 'what the hub and the door controller on this machine wrote',
  details: `Reads the files that ./scripts/start writes or, where systemd runs the hub, the journal. Without a name all of them,
in order of time, which is UTC (Z). --json prints the lines as they were written.`,
  options: {
    follow: { type: 'boolean', help: 'go on with what is written from now on; Ctrl-C ends it' },
    level: { type: 'string', placeholder: 'LEVEL', help: 'this and graver: debug, info, warn, error, fatal' },
    since: {
      type: 'string',
      placeholder: 'TIME',
      help: '15m, 2h, 1d, or a time in ISO 8601; UTC without an offset',
    },
    lines: { type: 'string', placeholder: 'N', help: `the last N lines (${defaultLines} without --since)` },
  },
  async run(context) {
    const wanted = readWanted(context);
    const show = await printer(context);
    const { followLines, logFilesOf } = await import('../log-files.ts');
    const { readLogLine } = await import('../log-line.ts');
    if (wanted.services.every((service) => logFilesOf(context.stateDir, service).length === 0)) {
      await showJournal(wanted, show);
      return undefined;
    }
    const files = await readPast(context, wanted, show);
    if (!wanted.follow) return undefined;
    const ended = new AbortController();
    process.once('SIGINT', () => ended.abort());
    process.once('SIGTERM', () => ended.abort());
    await Promise.all(
      files.map(async ({ service, file, offset }) => {
        const sieve = new Sieve(wanted);
        for await (const text of followLines(file, offset, ended.signal)) {
          const line = readLogLine(service, text);
          if (text !== '' && sieve.takes(line)) show(line);
        }
      }),
    );
    return undefined;
  },
};
