import { z } from 'zod';
import { assert } from '#hub/kernel/result.ts';

export type Json = Readonly<Record<string, unknown>>;
export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The named schemas of the document; a schema is named by `.meta({ id })`. */
export type Components = Map<string, Json>;

const refStart = '#/components/schemas/';
export const componentRef = (name: string): string => refStart + name;

/** Resolves the reference of a schema; returns any other schema as it is. */
export function resolveSchema(components: Components, schema: Json): Json {
  const { $ref } = schema;
  if (typeof $ref !== 'string') return schema;
  const named = components.get($ref.slice(refStart.length));
  assert(named !== undefined, `${$ref} is in the document`);
  return named;
}

/** The same JSON with every reference to a definition replaced. */
function replaceRefs(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => replaceRefs(item, names));
  if (!isJson(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key !== '$ref' || typeof item !== 'string') return [key, replaceRefs(item, names)];
      const name = names.get(item);
      assert(name !== undefined, `the schema refers to ${item}: give it a name by .meta({ id })`);
      return [key, componentRef(name)];
    }),
  );
}

/** Adds a definition under its name; what is written to and what is read may differ, and then the first is `NameInput`. */
function nameFor(components: Components, id: string, definition: unknown, io: 'input' | 'output'): string {
  const text = JSON.stringify(definition);
  const candidates = io === 'output' ? [id] : [id, `${id}Input`];
  for (const name of candidates) {
    const known = components.get(name);
    if (known === undefined || JSON.stringify(known) === text) return name;
  }
  // Reading comes first for every endpoint list, so the plain name is taken by what is read.
  throw new Error(`two different schemas are both named ${id}`);
}

/** A schema as JSON Schema 2020-12; what has a name goes into `components` and is referred to. */
export function toJsonSchema(components: Components, schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema, $defs, ...root }: Json = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  assert(typeof $schema === 'string', 'zod names the dialect');
  const definitions = Object.entries(isJson($defs) ? $defs : {});
  // Names first: definitions refer to each other.
  const plain = new Map(definitions.map(([id]) => [`#/$defs/${id}`, id]));
  const names = new Map<string, string>();
  for (const [id, definition] of definitions)
    names.set(`#/$defs/${id}`, nameFor(components, id, replaceRefs(definition, plain), io));
  for (const [id, definition] of definitions) {
    const name = names.get(`#/$defs/${id}`) ?? id;
    const body = replaceRefs(definition, names);
    if (isJson(body)) components.set(name, body);
  }
  const replaced = replaceRefs(root, names);
  return isJson(replaced) ? replaced : {};
}
