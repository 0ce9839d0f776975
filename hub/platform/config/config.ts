import { readFileSync } from 'node:fs';
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { keysOfSchema, namesAt, type SchemaKey } from './schema-keys.ts';
import { guessWord } from './spelling.ts';

/** sysexits.h, EX_CONFIG: systemd does not restart a process that its configuration keeps from starting. */
export const configExitCode = 78;
const maxFileBytes = 1024 * 1024;

/** Everything that is wrong with a configuration, each with its place: `file:line:column: key: message`. */
export class ConfigProblems extends Error {
  readonly problems: readonly string[];
  readonly exitCode = configExitCode;

  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n  ${problems.join('\n  ')}`,
    );
    this.name = 'ConfigProblems';
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** A YAML file. Without one everything comes from the environment and the defaults. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `MAKRCAVE_`: `http.httpsPort` is then `MAKRCAVE_HTTP_HTTPS_PORT`. */
  readonly envPrefix: string;
  /** Longer prefixes of another program's variables: no slips of ours. */
  readonly foreignPrefixes?: readonly string[];
}

/** `['http', 'httpsPort']` -> `MAKRCAVE_HTTP_HTTPS_PORT`. */
export const envName = (prefix: string, path: readonly string[]): string =>
  prefix + path.map((step) => step.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()).join('_');

interface Located {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A configuration before it is checked, and where each of its values comes from. */
interface Draft {
  readonly value: unknown;
  readonly problems: string[];
  /** `file:line:column` or the variable's name, for a path. */
  placeOf(path: readonly PropertyKey[], options?: { readonly key: string }): string;
}

class YamlSource {
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(file: string, text: string) {
    this.file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, strict: true });
  }

  get problems(): Located[] {
    const { errors, warnings } = this.#document;
    return [...errors, ...warnings].map(({ message, pos: [offset] }) => {
      const { line, col } = this.#lines.linePos(offset);
      return { message: message.split('\n')[0] ?? message, line, column: col };
    });
  }

  /** The plain value; an empty file is an empty mapping. */
  toValue(): unknown {
    const value: unknown = this.#document.toJS({ maxAliasCount: 50 });
    return value === null || value === undefined ? {} : value;
  }

  #offsetOf(path: readonly PropertyKey[], key: string | undefined): number {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    const steps = key === undefined ? path : [...path, key];
    for (const [index, step] of steps.entries()) {
      const wantsKey = key !== undefined && index === steps.length - 1;
      if (isMap(node)) {
        const pair: unknown = node.items.find(
          (item) => isScalar(item.key) && String(item.key.value) === String(step),
        );
        if (!isPair(pair)) break;
        const part = wantsKey || !isNode(pair.value) ? pair.key : pair.value;
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
        if (isNode(part)) offset = part.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        const item: unknown = node.items[Number(step)];
        if (!isNode(item)) break;
        offset = item.range?.[0] ?? offset;
        node = item;
      } else break;
    }
    return offset;
  }

  /** The place of the value at `path`, of the key `key` in it, or of the nearest thing around that is there. */
  placeOf(path: readonly PropertyKey[], key?: string): string {
    const { line, col } = this.#lines.linePos(this.#offsetOf(path, key));
    return `${this.file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }
}

function readYaml(file: string): YamlSource | string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > maxFileBytes) return `${file}:1:1: the file is larger than ${maxFileBytes} bytes`;
    return new YamlSource(file, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return `${file}:1:1: the file does not exist`;
    return `${file}:1:1: the file cannot be read as UTF-8 text (${String(code)})`;
  }
}

/** The text of a variable as the schema's kind of value; text that does not fit stays text, for the schema to refuse. */
export function readEnvText(text: string, kind: SchemaKey['kind']): unknown {
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (kind === 'list')
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  return text;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy of `value` with `leaf` at `path`; what is no object on the way stays, for the schema to refuse. */
function withValueAt(value: unknown, path: readonly string[], leaf: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return leaf;
  if (value !== undefined && value !== null && !isObject(value)) return value;
  const before = isObject(value) ? value : {};
  return { ...before, [step]: withValueAt(before[step], rest, leaf) };
}

function applyEnv(draft: unknown, schema: z.ZodType, sources: ConfigSources) {
  const { env, envPrefix, foreignPrefixes = [] } = sources;
  const keys = keysOfSchema(schema).filter((key) => key.kind !== 'structure');
  const known = new Map(keys.map((key) => [envName(envPrefix, key.path), key]));
  const problems: string[] = [];
  const used = new Map<string, string>();
  let value = draft;
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(envPrefix) || text === undefined || text === '') continue;
    if (foreignPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    const key = known.get(name);
    if (key === undefined) {
      // Other programs share the prefix; what is almost one of ours is a slip.
      const guess = guessWord(name, [...known.keys()]);
      if (guess !== undefined) problems.push(`${name}: is not known here; did you mean ${guess}?`);
      continue;
    }
    value = withValueAt(value, key.path, readEnvText(text, key.kind));
    used.set(key.path.join('\u0000'), name);
  }
  const envOf = (path: readonly PropertyKey[]): string | undefined => {
    for (let length = path.length; length > 0; length -= 1) {
      const name = used.get(path.slice(0, length).map(String).join('\u0000'));
      if (name !== undefined) return name;
    }
    return undefined;
  };
  return { value, problems, envOf };
}

function draftFrom(schema: z.ZodType, sources: ConfigSources): Draft {
  const yaml = sources.file === undefined ? undefined : readYaml(sources.file);
  if (typeof yaml === 'string') throw new ConfigProblems([yaml]);
  const syntax = yaml?.problems.map(
    ({ line, column, message }) => `${yaml.file}:${line}:${column}: ${message}`,
  );
  if (syntax !== undefined && syntax.length > 0) throw new ConfigProblems(syntax);
  const base = yamlValue(yaml);
  const { value, problems, envOf } = applyEnv(base, schema, sources);
  return {
    value,
    problems,
    placeOf: (path, options) => envOf(path) ?? yaml?.placeOf(path, options?.key) ?? 'environment',
  };
}

function yamlValue(yaml: YamlSource | undefined): unknown {
  try {
    return yaml?.toValue() ?? {};
  } catch {
    // The one thing that toJS refuses: aliases that multiply.
    throw new ConfigProblems([`${yaml?.file ?? ''}:1:1: too many aliases`]);
  }
}

const dotted = (path: readonly PropertyKey[]): string =>
  path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');

function describeIssue(issue: z.core.$ZodIssue, draft: Draft, schema: z.ZodType): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = namesAt(schema, issue.path);
    return issue.keys.map((key) => {
      const guess = guessWord(key, known);
      const hint = guess === undefined ? ` (known: ${known.join(', ')})` : `; did you mean ${guess}?`;
      return `${draft.placeOf(issue.path, { key })}: ${dotted([...issue.path, key])}: is not known here${hint}`;
    });
  }
  const where = issue.path.length === 0 ? '' : `${dotted(issue.path)}: `;
  return [`${draft.placeOf(issue.path)}: ${where}${issue.message}`];
}

const wording: z.core.$ZodErrorMap = (issue) =>
  issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : undefined;

function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const field of Object.values(value)) freezeDeep(field);
  return value;
}

/** Sorts by line in the file, so that the list reads from top to bottom. */
function byPlace(left: string, right: string): number {
  const lineOf = (text: string): number[] =>
    /:(\d+):(\d+): /.exec(text)?.slice(1).map(Number) ?? [Number.MAX_SAFE_INTEGER, 0];
  const [leftLine = 0, leftColumn = 0] = lineOf(left);
  const [rightLine = 0, rightColumn = 0] = lineOf(right);
  return leftLine - rightLine || leftColumn - rightColumn;
}

/**
 * The configuration: YAML file, then environment variables over it, then checked by `schema` (strict objects) and
 * frozen. Throws `ConfigProblems` with all problems at once; the entry point prints them and exits with 78.
 */
export function loadConfig<S extends z.ZodType>(schema: S, sources: ConfigSources): z.output<S> {
  const draft = draftFrom(schema, sources);
  const parsed = schema.safeParse(draft.value, { error: wording });
  const issues = parsed.success ? [] : parsed.error.issues;
  const problems = [
    ...issues.flatMap((issue) => describeIssue(issue, draft, schema)).sort(byPlace),
    ...draft.problems,
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigProblems(problems);
  return freezeDeep(parsed.data);
}
