import { type Components, isJson, type Json, resolveSchema } from './schemas.ts';

/** Values as a makerspace has them, by the name of the property; taken where they fit the schema. */
const samples: Readonly<Record<string, unknown>> = {
  accountCount: 3,
  action: 'member.create',
  at: '2026-11-23T17:42:05.000Z',
  card: '123:4567',
  code: 'K7QX-2M9R',
  count: 3,
  createdAt: '2026-03-02T09:15:00.000Z',
  currency: 'EUR',
  date: '2026-12-24',
  dateOfBirth: '1994-05-17',
  description: 'Everything that is needed at the front desk',
  displayName: 'Olga Owner',
  email: 'mia@example.org',
  expiresAt: '2026-12-23T17:42:05.000Z',
  from: '2026-12-01T00:00:00.000Z',
  guardian: 'Maria Maker, +49 30 7654321',
  hash: '5f0c6d0b0f6f4b0a9f3a3f6a1d9c2b7e8a4d5c6b7a8f9e0d1c2b3a4f5e6d7c8b',
  http: 'http://localhost:8080',
  https: 'https://hub.local:8443',
  key: 'front',
  label: 'Blue fob',
  limit: 50,
  memberName: 'Mia Maker',
  locale: 'de-CH',
  message: 'Done',
  name: 'Mia Maker',
  nextStep: 'Try again in a moment.',
  notes: 'Likes to come on Thursdays.',
  note: 'Found behind the laser',
  number: 1042,
  password: 'seven rivers hum below Olten',
  currentPassword: 'seven rivers hum below Olten',
  newPassword: 'nine lathes turn under Aarau',
  phone: '+49 30 1234567',
  planName: 'Full member',
  portalKey: 'front',
  purpose: 'Delivery of plywood',
  reader: 'outside',
  readerKey: 'outside',
  reason: 'Delivery of plywood',
  release: '0.1.0',
  remoteAddress: '192.168.1.23',
  requestId: 'f3b0c1de-6a52-4d0e-9c51-0d7c1a2b3c4d',
  sentence: 'The card is known.',
  siteName: 'Werkraum Nord',
  summary: 'One door waits for its controller',
  timeZone: 'Europe/Berlin',
  token: '4fQm0kz2Vt8Yp1Rw',
  until: '2026-12-01T18:00:00.000Z',
  updatedAt: '2026-11-20T16:03:11.000Z',
  url: 'https://example.org/hooks/makrcave',
  username: 'olga',
  validFrom: '2026-12-01T00:00:00.000Z',
  validUntil: '2027-12-01T00:00:00.000Z',
  version: 3,
  waiverDate: '2026-03-02',
  waiverVersion: '2026-01',
};

const byFormat: Readonly<Record<string, string>> = {
  'date-time': '2026-11-23T17:42:05.000Z',
  date: '2026-11-23',
  time: '17:42:05',
  email: 'mia@example.org',
  uri: 'https://example.org/hooks/makrcave',
  ipv4: '192.168.1.23',
};

/** A UUIDv7 that is the same for the same name at each run. */
function sampleId(name: string): string {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 0xffff;
  return `01936b2c-7d40-7c1e-9a4b-3f2d8c5a${sum.toString(16).padStart(4, '0')}`;
}

const numberOf = (schema: Json, name: string): number | undefined => {
  const value = schema[name];
  return typeof value === 'number' ? value : undefined;
};

function fitsText(text: string, schema: Json): boolean {
  const { pattern } = schema;
  return (
    text.length >= (numberOf(schema, 'minLength') ?? 0) &&
    text.length <= (numberOf(schema, 'maxLength') ?? Number.POSITIVE_INFINITY) &&
    (typeof pattern !== 'string' || new RegExp(pattern, 'u').test(text))
  );
}

function exampleText(schema: Json, name: string): string {
  const { format } = schema;
  const sample = samples[name];
  if (format === 'uuid') return sampleId(name);
  const candidates = [
    ...(typeof sample === 'string' ? [sample] : []),
    ...(typeof format === 'string' && byFormat[format] !== undefined ? [byFormat[format]] : []),
    'a text',
    sampleId(name),
    'text-'.padEnd(numberOf(schema, 'minLength') ?? 0, 'x'),
    '42',
  ];
  const shape = typeof format === 'string' ? byFormat[format] : undefined;
  // A sample of another shape (a moment where a day is asked for) does not pass by its length.
  const fitting = candidates.filter((text) => shape === undefined || text.length === shape.length);
  return (fitting.length > 0 ? fitting : candidates).find((text) => fitsText(text, schema)) ?? '';
}

function exampleNumber(schema: Json, name: string): number {
  const least = numberOf(schema, 'minimum') ?? (numberOf(schema, 'exclusiveMinimum') ?? -1) + 1;
  const most = numberOf(schema, 'maximum') ?? Number.POSITIVE_INFINITY;
  const sample = samples[name];
  if (typeof sample === 'number' && sample >= least && sample <= most) return sample;
  const start = least < -1_000_000 ? 1 : least;
  return start === 0 && most >= 5 ? 5 : start;
}

/** Deeper than any schema of ours: one that contains itself ends here. */
const maxDepth = 12;

/**
 * One value that fits a JSON schema, the same at each run: the schema's own `examples` first, then what a makerspace
 * would write, then whatever fits.
 */
export function exampleOf(components: Components, schema: unknown, name = '', depth = 0): unknown {
  if (!isJson(schema) || depth > maxDepth) return null;
  const { $ref, ...beside } = schema;
  if (typeof $ref === 'string')
    return exampleOf(components, { ...resolveSchema(components, schema), ...beside }, name, depth + 1);
  const { examples, anyOf, oneOf, allOf, type } = schema;
  if (Array.isArray(examples) && examples.length > 0) return examples[0];
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return 'default' in schema ? schema['default'] : schema['enum'][0];
  const options: unknown = anyOf ?? oneOf;
  if (Array.isArray(options)) {
    const [first = {}] = options.filter((option: unknown) => !isJson(option) || option['type'] !== 'null');
    return exampleOf(components, first, name, depth + 1);
  }
  if (Array.isArray(allOf))
    return allOf.reduce<object>(
      (sum, part: unknown) => Object.assign(sum, exampleOf(components, part, name, depth + 1)),
      {},
    );
  const kind: unknown = Array.isArray(type) ? type.find((one) => one !== 'null') : type;
  if (kind === 'object') return exampleObject(components, schema, name, depth);
  if (kind === 'array') return exampleArray(components, schema, name, depth);
  if (kind === 'string') return exampleText(schema, name);
  if (kind === 'number' || kind === 'integer') return exampleNumber(schema, name);
  if (kind === 'boolean') return typeof schema['default'] === 'boolean' ? schema['default'] : true;
  return kind === 'null' ? null : {};
}

function exampleObject(components: Components, schema: Json, name: string, depth: number): Json {
  const { properties, additionalProperties, propertyNames } = schema;
  const named = Object.entries(isJson(properties) ? properties : {}).map(
    ([key, property]) => [key, exampleOf(components, property, key, depth + 1)] as const,
  );
  if (named.length > 0 || !isJson(additionalProperties) || Object.keys(additionalProperties).length === 0)
    return Object.fromEntries(named);
  const key = exampleOf(components, propertyNames ?? { type: 'string' }, 'key', depth + 1);
  return { [String(key)]: exampleOf(components, additionalProperties, name, depth + 1) };
}

function exampleArray(components: Components, schema: Json, name: string, depth: number): unknown[] {
  const { prefixItems, items } = schema;
  if (Array.isArray(prefixItems))
    return prefixItems.map((item: unknown) => exampleOf(components, item, name, depth + 1));
  const count = Math.max(1, numberOf(schema, 'minItems') ?? 1);
  if (numberOf(schema, 'maxItems') === 0) return [];
  return Array.from({ length: count }, () => exampleOf(components, items, name, depth + 1));
}
