import { type CompiledQuery, type OperationNode, sql } from 'kysely';
import { assert } from '#hub/kernel/result.ts';
import type { ColumnValue } from './canonical-json.ts';
import { areRows, isColumnValue } from './sqlite/dialect.ts';
import type { Reader } from './store.ts';

/** Parameters of a query, by name. A list is one JSON text: see `listed`. */
type Values = Readonly<Record<string, string | number>>;

/** A compiled statement; each parameter is a value by its name, or the same every time. */
interface Template {
  readonly sql: string;
  readonly parameters: readonly ({ readonly name: string } | { readonly value: ColumnValue })[];
  /** The tables that it reads. */
  readonly tables: readonly string[];
}

/**
 * A select whose text is always the same: kysely builds and compiles it at its first use, which takes longer than SQLite
 * takes to run it. `examples` names the values and stands for them while it is built, so each must be found nowhere else
 * in the query: `fixedQuery({ id: '$id', limit: -1 }, (reader, { id, limit }) => reader.selectFrom...)`.
 */
export function fixedQuery<V extends Values, R>(
  examples: V,
  build: (reader: Reader, values: V) => { compile(): CompiledQuery<R> },
): (reader: Reader, values: V) => Promise<R[]> {
  let template: Template | undefined;
  return async (reader, values) => {
    template ??= toTemplate(examples, build(reader, examples).compile());
    return await runTemplate<R>(reader, template, values);
  };
}

/**
 * A fixed query whose answer the main thread's reader keeps, as `shape` made it of the rows, until a commit writes to one
 * of its tables. For small things that nearly every request needs. What it gives belongs to everybody: never change it.
 */
export function rememberedQuery<V extends Values, R, T>(
  examples: V,
  build: (reader: Reader, values: V) => { compile(): CompiledQuery<R> },
  shape: (rows: readonly R[]) => T,
): (reader: Reader, values: V) => Promise<T> {
  const answers = new WeakMap<object, Map<string, { readonly value: T; readonly writes: number }>>();
  let template: Template | undefined;
  return async (reader, values) => {
    template ??= toTemplate(examples, build(reader, examples).compile());
    const { tables } = template;
    const writes = reader.writesTo(tables);
    // Inside a transaction, or on a snapshot.
    if (writes === null) return shape(await runTemplate<R>(reader, template, values));
    const key = Object.values(values).join('\n');
    const known = answers.get(reader) ?? new Map<string, { value: T; writes: number }>();
    answers.set(reader, known);
    const found = known.get(key);
    if (found?.writes === writes) return found.value;
    const value = shape(await runTemplate<R>(reader, template, values));
    known.delete(key);
    known.set(key, { value, writes });
    const [oldest] = known.keys();
    if (known.size > maxRemembered && oldest !== undefined) known.delete(oldest);
    return value;
  };
}

/** Answers that one remembered query keeps; the oldest goes first. */
const maxRemembered = 200;

async function runTemplate<R>(reader: Reader, template: Template, values: Values): Promise<R[]> {
  const parameters = template.parameters.map((parameter) =>
    'name' in parameter ? (values[parameter.name] ?? null) : parameter.value,
  );
  const rows = await reader.select({ sql: template.sql, parameters });
  assert(areRows<R>(rows), 'rows are objects');
  return rows;
}

function toTemplate(examples: Values, compiled: CompiledQuery): Template {
  assert(compiled.query.kind === 'SelectQueryNode', 'a fixed query selects');
  const names = new Map(Object.entries(examples).map(([name, example]) => [example, name]));
  assert(names.size === Object.keys(examples).length, 'every example is another');
  const missing = new Set(names.values());
  const parameters = compiled.parameters.map((value) => {
    assert(isColumnValue(value), 'a parameter is something that a column holds');
    const name = typeof value === 'string' || typeof value === 'number' ? names.get(value) : undefined;
    if (name === undefined) return { value };
    missing.delete(name);
    return { name };
  });
  assert(missing.size === 0, `a fixed query uses its values: ${[...missing].join(', ')} it does not`);
  return { sql: compiled.sql, parameters, tables: [...tablesOf(compiled.query)] };
}

/** The values of a list that came as one JSON text, for `in`: one statement for lists of every length. */
export const listed = <T extends string | number = string>(json: string) =>
  sql<T>`(select value from json_each(${json}))`;

/** Every table that the query names, at whatever depth. */
function tablesOf(node: OperationNode, found = new Set<string>()): Set<string> {
  if (isTableNode(node)) found.add(node.table.identifier.name);
  for (const child of Object.values(node)) {
    const children: readonly unknown[] = Array.isArray(child) ? child : [child];
    for (const one of children) if (isNode(one)) tablesOf(one, found);
  }
  return found;
}

const isNode = (value: unknown): value is OperationNode =>
  typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string';
const isTableNode = (
  node: OperationNode,
): node is OperationNode & { readonly table: { readonly identifier: { readonly name: string } } } =>
  node.kind === 'TableNode';
