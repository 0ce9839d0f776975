import { z } from 'zod';

/** A value that a configuration can hold, found by walking its schema. */
export interface SchemaKey {
  /** `['http', 'httpsPort']`. */
  readonly path: readonly string[];
  /** Type of its text in an environment variable. A `structure` can only be given in the file. */
  readonly kind: 'string' | 'number' | 'boolean' | 'list' | 'structure';
}

/** The schema inside defaults, optionals, pipes and the like. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodCatch
  )
    return unwrap(schema.def.innerType);
  return schema instanceof z.ZodPipe ? unwrap(schema.def.in) : schema;
}

function kindOf(schema: z.core.$ZodType): SchemaKey['kind'] {
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodArray)
    return ['structure', 'list'].includes(kindOf(unwrap(schema.def.element))) ? 'structure' : 'list';
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return 'structure';
  if (schema instanceof z.ZodUnion) {
    const kinds = new Set(schema.def.options.map((option) => kindOf(unwrap(option))));
    const [kind] = kinds;
    return kinds.size === 1 && kind !== undefined ? kind : 'string';
  }
  return 'string';
}

/** Every key of an object schema, depth first, in its order. Objects themselves are not listed, only what they hold. */
export function keysOfSchema(schema: z.core.$ZodType, path: readonly string[] = []): SchemaKey[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject)
    return Object.entries<z.core.$ZodType>(inner.shape).flatMap(([name, field]) =>
      keysOfSchema(field, [...path, name]),
    );
  return path.length === 0 ? [] : [{ path, kind: kindOf(inner) }];
}

/** Names that stand directly inside the object at `path`; [] where there is none. */
export function namesAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const inner = unwrap(schema);
  const [step, ...rest] = path;
  if (inner instanceof z.ZodArray) return step === undefined ? [] : namesAt(inner.def.element, rest);
  if (inner instanceof z.ZodUnion) return inner.def.options.flatMap((option) => namesAt(option, path));
  if (inner instanceof z.ZodRecord) return step === undefined ? [] : namesAt(inner.def.valueType, rest);
  if (!(inner instanceof z.ZodObject)) return [];
  if (step === undefined) return Object.keys(inner.shape);
  const field: z.core.$ZodType | undefined = inner.shape[String(step)];
  return field === undefined ? [] : namesAt(field, rest);
}
