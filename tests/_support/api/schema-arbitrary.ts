import fc, { type Arbitrary } from 'fast-check';

export type Json = Readonly<Record<string, unknown>>;
export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface SchemaContext {
  readonly components: Readonly<Record<string, Json>>;
  /** Ids that exist, for a property of that name. */
  readonly idsFor: (name: string) => readonly string[];
}

const missingId = '01936b2c-7d40-7c1e-9a4b-000000000000';
/** Texts that break what was not thought of: other scripts, formulas, markup, SQL, controls, half a character. */
export const hostileTexts = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '%',
  '%_',
  '../../etc/passwd',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '=HYPERLINK("http://x")',
  '{{7*7}}',
  'ﷺ',
  '𝓐'.repeat(50),
  'ａｂｃ',
  'İ',
  '\u202Etxt',
  '__proto__',
  'constructor',
  '1e999',
  '-0',
  'NaN',
  'x'.repeat(20_000),
];

/** Any JSON at all. */
export const anyJson: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, 0, -1, 1.5, 2 ** 53, -1e308, [], {}, [[]], { __proto__: null }),
  fc.constantFrom(...hostileTexts),
  fc.jsonValue({ maxDepth: 2 }),
);

const numberOf = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

function textsOf(schema: Json, name: string, context: SchemaContext): Arbitrary<string> {
  const { format, pattern } = schema;
  const least = numberOf(schema['minLength'], 0);
  const most = Math.min(numberOf(schema['maxLength'], 60), 200);
  if (format === 'uuid') {
    const ids = context.idsFor(name);
    return fc.oneof(
      {
        weight: ids.length === 0 ? 0 : 6,
        arbitrary: fc.constantFrom(...(ids.length === 0 ? [missingId] : ids)),
      },
      { weight: 1, arbitrary: fc.constant(missingId) },
    );
  }
  if (format === 'date-time')
    return fc
      .date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (format === 'date')
    return fc
      .date({ min: new Date('1890-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10));
  if (format === 'email') return fc.constantFrom('mia@example.org', 'a.b+c@example.co', 'x@example.test');
  if (format === 'uri')
    return fc.constantFrom('https://example.org/hook', 'http://127.0.0.1:9/x', 'https://[::1]/');
  const plain = fc.oneof(
    fc.constantFrom('123:4567', 'Europe/Berlin', 'front', 'de-CH', '+49 30 1234567', '42', 'Laser'),
    fc.string({ minLength: least, maxLength: Math.max(least, most), unit: 'grapheme' }),
  );
  if (typeof pattern !== 'string') return plain;
  try {
    return fc.oneof(plain, fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: Math.max(least, most) }));
  } catch {
    // A pattern that fast-check cannot turn round.
    return plain;
  }
}

function numbersOf(schema: Json): Arbitrary<number> {
  const min = Math.ceil(numberOf(schema['minimum'], numberOf(schema['exclusiveMinimum'], -1001) + 1));
  const max = Math.floor(numberOf(schema['maximum'], numberOf(schema['exclusiveMaximum'], 100_001) - 1));
  // Small ones often: versions, counts, days of the week.
  return fc.oneof(
    fc.integer({ min, max: Math.max(min, Math.min(max, min + 5)) }),
    fc.integer({ min, max: Math.max(min, max) }),
    fc.constantFrom(min, Math.max(min, max)),
  );
}

function objectsOf(schema: Json, context: SchemaContext, depth: number): Arbitrary<Json> {
  const { properties, required, additionalProperties } = schema;
  const names = Array.isArray(required) ? required : [];
  const fixed = Object.fromEntries(
    Object.entries(isJson(properties) ? properties : {}).map(([name, property]) => [
      name,
      arbitraryOf(property, name, context, depth + 1),
    ]),
  );
  if (Object.keys(fixed).length === 0 && isJson(additionalProperties))
    return fc.dictionary(
      fc.string({ maxLength: 8 }),
      arbitraryOf(additionalProperties, '', context, depth + 1),
      {
        maxKeys: 3,
      },
    );
  return fc.record(fixed, { requiredKeys: Object.keys(fixed).filter((name) => names.includes(name)) });
}

/** Values that fit a JSON schema of the document, as far as the schema says it. */
export function arbitraryOf(
  schema: unknown,
  name: string,
  context: SchemaContext,
  depth = 0,
): Arbitrary<unknown> {
  if (!isJson(schema) || depth > 8) return fc.constant(null);
  const { $ref, anyOf, oneOf, allOf, type } = schema;
  if (typeof $ref === 'string')
    return arbitraryOf(context.components[$ref.split('/').at(-1) ?? ''], name, context, depth + 1);
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  const options = anyOf ?? oneOf;
  if (Array.isArray(options))
    return fc.oneof(...options.map((option: unknown) => arbitraryOf(option, name, context, depth + 1)));
  if (Array.isArray(allOf))
    return fc
      .tuple(...allOf.map((part: unknown) => arbitraryOf(part, name, context, depth + 1)))
      .map((parts) => Object.assign({}, ...parts));
  const kinds: unknown[] = Array.isArray(type) ? type : [type];
  return fc.oneof(...kinds.map((kind) => arbitraryOfKind(kind, schema, name, context, depth)));
}

function arbitraryOfKind(
  kind: unknown,
  schema: Json,
  name: string,
  context: SchemaContext,
  depth: number,
): Arbitrary<unknown> {
  switch (kind) {
    case 'string':
      return textsOf(schema, name, context);
    case 'integer':
      return numbersOf(schema);
    case 'number':
      return fc.oneof(numbersOf(schema), fc.constant(0.5));
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(arbitraryOf(schema['items'], name, context, depth + 1), {
        minLength: numberOf(schema['minItems'], 0),
        maxLength: Math.min(numberOf(schema['maxItems'], 3), Math.max(3, numberOf(schema['minItems'], 0))),
      });
    case 'object':
      return objectsOf(schema, context, depth);
    default:
      return anyJson;
  }
}
