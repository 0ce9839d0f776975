import type { ControlAnswer } from './control-socket.ts';

/** sysexits.h */
export const exitCodes = { usage: 64, notRunning: 69, config: 78 } as const;

/** A wrong call of the command: printed with its usage, exit 64. */
export class UsageProblem extends Error {}

/** No hub is running there: exit 69. */
export class NotRunning extends Error {}

/** Quotes a word for a shell, where it needs that. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

export type Call = (method: string, path: string, body?: unknown) => Promise<ControlAnswer>;

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  /** Placeholder of its value in the help: `KEY`. */
  readonly placeholder?: string;
  readonly help: string;
}

export interface CommandContext {
  readonly operands: readonly string[];
  /** The options of the command as given. */
  readonly text: (option: string) => string | undefined;
  readonly isSet: (option: string) => boolean;
  /** The answer as JSON, for programs. */
  readonly json: boolean;
  readonly stateDir: string;
  /** `DIR (--state)`: the state and what named it. */
  readonly stateInWords: string;
  /** The hub's configuration: `--config`, else MAKRCAVE_CONFIG. */
  readonly configFile: string | undefined;
  /** Environment of a hub that the command opens itself: this state, this configuration. */
  readonly hubEnv: Readonly<Record<string, string | undefined>>;
  /** The product's folder. */
  readonly root: string;
  readonly controlSocket: string;
  readonly print: (line: string) => void;
  /**
   * Runs `work` against the running hub. With the hub stopped, `offline` commands open its store themselves, under the
   * hub's own lock; for the others, and where there is no store, that is `NotRunning`.
   */
  readonly withHub: <T>(offline: boolean, work: (call: Call) => Promise<T>) => Promise<T>;
}

/** A command of `makrcave-hub`. Files of commands load what they need when they run, so that the others start quickly. */
export interface Command {
  /** `explain CARD PORTAL` */
  readonly usage: string;
  readonly summary: string;
  /** Further lines of its help. */
  readonly details?: string;
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Colours its lines, and strips control characters from what it shows itself; `print` does it for all others. */
  readonly printsStyled?: boolean;
  /** The exit code; 0 when it gives none. */
  run(context: CommandContext): Promise<number | undefined>;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
export const recordsOf = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];

/** Returns the response's JSON; throws the refusal in words, exit 1. */
export function accepted(answer: ControlAnswer): Readonly<Record<string, unknown>> {
  if (answer.status < 400) return answer.json;
  const { title, detail, nextStep, errors } = answer.json;
  const fields = recordsOf(errors).map((entry) => `  ${textOf(entry.pointer)}: ${textOf(entry.message)}`);
  throw new Error(
    [textOf(detail) || textOf(title), ...fields, textOf(nextStep)].filter((line) => line !== '').join('\n'),
  );
}

/** The name of the hub's site; null while nobody owns it. */
export async function siteNameOf(call: Call): Promise<string | null> {
  const { siteName } = accepted(await call('GET', '/auth/session'));
  return typeof siteName === 'string' ? siteName : null;
}
