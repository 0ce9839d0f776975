import fc, { type Arbitrary } from 'fast-check';
import {
  anyJson,
  arbitraryOf,
  hostileTexts,
  isJson,
  type Json,
  type SchemaContext,
} from './schema-arbitrary.ts';

export interface DocumentedResponse {
  readonly content?: Readonly<Record<string, { readonly schema: Json }>>;
}
/** One operation of the OpenAPI document, with what it refers to in place. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly security: readonly Json[];
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Json;
  }[];
  readonly body: Json | undefined;
  readonly bodyExample: unknown;
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}

export interface ApiRequest {
  readonly operation: Operation;
  readonly walker: string;
  /** As it goes over the wire. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Something stands in the path that the address may not reach any endpoint by. */
  readonly strayPath: boolean;
}

/** Reads the operations of a document; answers that are shared are put in place. */
export function operationsOf(document: Json): Operation[] {
  const components = isJson(document['components']) ? document['components'] : {};
  const resolve = (value: unknown): Json => {
    if (!isJson(value)) return {};
    const [, , kind = '', name = ''] = typeof value['$ref'] === 'string' ? value['$ref'].split('/') : [];
    const group = components[kind];
    return isJson(group) && isJson(group[name]) ? group[name] : value;
  };
  const found: Operation[] = [];
  for (const [path, item] of Object.entries(document['paths'] as Record<string, Record<string, Json>>))
    for (const [method, operation] of Object.entries(item)) {
      const content = resolve(operation['requestBody'])['content'];
      const json = isJson(content) ? resolve(content['application/json']) : {};
      found.push({
        method: method.toUpperCase(),
        path,
        security: operation['security'] as Json[],
        parameters: (operation['parameters'] as Json[]).map(resolve) as unknown as Operation['parameters'],
        body: isJson(json['schema']) ? json['schema'] : undefined,
        bodyExample: json['example'],
        responses: Object.fromEntries(
          Object.entries(operation['responses'] as Json).map(([status, response]) => [
            status,
            resolve(response),
          ]),
        ) as Operation['responses'],
      });
    }
  return found;
}

/** `id` of `/api/members/{id}` is an id of `members`, as `memberId` is anywhere. */
const poolOfPathParameter = (path: string, name: string): string =>
  name === 'id' ? (path.slice(0, path.indexOf('/{id}')).split('/').at(-1) ?? '') : name;

const queryText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A lone half of a character cannot be written in an address. */
const encode = (text: string): string => encodeURIComponent(text.toWellFormed());

function pathOf(operation: Operation, context: SchemaContext): Arbitrary<{ path: string; stray: boolean }> {
  const parameters = operation.parameters.filter((parameter) => parameter.in === 'path');
  const right = fc
    .tuple(
      ...parameters.map(({ name, schema }) =>
        arbitraryOf(schema, poolOfPathParameter(operation.path, name), context),
      ),
    )
    .map((values) => values.map((value) => encode(String(value))))
    // With nothing in its place it is another address.
    .map((texts) => ({ values: texts, stray: texts.includes('') }));
  const wrong = fc
    .tuple(...parameters.map(() => fc.constantFrom(...hostileTexts.slice(1, -1), 'not-an-id', '0')))
    .map((values) => ({ values: values.map(encode), stray: true }));
  const broken = fc.constantFrom('%', '%zz', '%c0%af', '.', '..', '%2e%2e', '%2F').map((value) => ({
    values: parameters.map(() => value),
    stray: true,
  }));
  const values = fc.oneof(
    { weight: 12, arbitrary: right },
    { weight: parameters.length > 0 ? 1 : 0, arbitrary: wrong },
    { weight: parameters.length > 0 ? 1 : 0, arbitrary: broken },
  );
  return fc.tuple(values, fc.constantFrom('', '', '', '', '/')).map(([chosen, slash]) => {
    let index = 0;
    const path = operation.path.replaceAll(/\{\w+\}/g, () => chosen.values[index++] ?? '');
    return { path: path + slash, stray: chosen.stray };
  });
}

function queryOf(operation: Operation, context: SchemaContext): Arbitrary<string> {
  const parameters = operation.parameters.filter((parameter) => parameter.in === 'query');
  const wild = fc.oneof(fc.constantFrom(...hostileTexts.slice(0, -1)), fc.string({ maxLength: 12 }));
  const one = (parameter: (typeof parameters)[number]): Arbitrary<readonly [string, string][]> =>
    fc.oneof(
      { weight: parameter.required ? 0 : 6, arbitrary: fc.constant([]) },
      {
        weight: 6,
        arbitrary: arbitraryOf(parameter.schema, parameter.name, context).map((value) =>
          (Array.isArray(value) ? value : [value]).map((each): [string, string] => [
            parameter.name,
            queryText(each),
          ]),
        ),
      },
      { weight: 1, arbitrary: wild.map((text): [string, string][] => [[parameter.name, text]]) },
      {
        weight: 1,
        arbitrary: wild.map((text): [string, string][] => [
          [parameter.name, text],
          [parameter.name, text],
        ]),
      },
    );
  const extra = fc.oneof(
    { weight: 20, arbitrary: fc.constant<[string, string][]>([]) },
    { weight: 1, arbitrary: wild.map((text): [string, string][] => [[text, text]]) },
  );
  return fc.tuple(...parameters.map(one), extra).map((parts) => {
    const pairs = parts.flat();
    return pairs.length === 0
      ? ''
      : `?${pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;
  });
}

/** One thing wrong with a body that fits. */
const spoil = (body: unknown): Arbitrary<unknown> =>
  isJson(body) && Object.keys(body).length > 0
    ? fc
        .tuple(fc.constantFrom(...Object.keys(body)), anyJson, fc.constantFrom('drop', 'replace', 'add'))
        .map(([key, value, how]) => {
          const { [key]: dropped, ...rest } = body;
          if (how === 'drop') return rest;
          return how === 'replace' ? { ...rest, [key]: value } : { ...body, surplus: dropped };
        })
    : anyJson;

function bodyOf(
  operation: Operation,
  context: SchemaContext,
): Arbitrary<{ text: string | undefined; type: string }> {
  const type = 'application/json';
  const written = (value: unknown) => ({ text: JSON.stringify(value), type });
  const none = fc.constant({ text: undefined, type: '' });
  if (operation.method === 'GET') return none;
  const strange = fc.constantFrom(
    { text: '{', type },
    { text: '', type },
    { text: '[]', type },
    { text: 'null', type },
    { text: '"text"', type },
    { text: `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`, type },
    { text: '{"name":"x"}', type: 'text/plain' },
    { text: 'name=x', type: 'application/x-www-form-urlencoded' },
    { text: JSON.stringify({ name: 'x'.repeat(300_000) }), type },
  );
  if (operation.body === undefined)
    return fc.oneof(
      { weight: 8, arbitrary: none },
      { weight: 1, arbitrary: anyJson.map(written) },
      { weight: 1, arbitrary: strange },
    );
  const fitting = fc.oneof(
    { weight: 1, arbitrary: fc.constant(operation.bodyExample) },
    { weight: 4, arbitrary: arbitraryOf(operation.body, '', context) },
  );
  return fc.oneof(
    { weight: 12, arbitrary: fitting.map(written) },
    { weight: 5, arbitrary: fitting.chain(spoil).map(written) },
    { weight: 1, arbitrary: anyJson.map(written) },
    { weight: 1, arbitrary: none },
    { weight: 1, arbitrary: strange },
  );
}

const headersOf = (): Arbitrary<Record<string, string>> =>
  fc.oneof(
    { weight: 10, arbitrary: fc.constant({}) },
    {
      weight: 3,
      arbitrary: fc.record(
        {
          Accept: fc.constantFrom('application/json', 'text/csv', '*/*', 'text/html', 'image/png', '', ';;q'),
          'If-Match': fc.constantFrom('"1"', '"2"', 'W/"1"', '*', 'x', '""'),
          'If-None-Match': fc.constantFrom('"1"', 'W/"1"', '*', ''),
          'Idempotency-Key': fc.constantFrom('key-1', 'key-2', 'a', '', 'x'.repeat(300)),
          'X-Request-ID': fc.constantFrom('short', 'abcdefgh-1234', 'x'.repeat(500), '<b>'),
          'Last-Event-ID': fc.constantFrom('0', '-1', 'x', '99999999999999999999'),
          'Accept-Encoding': fc.constantFrom('gzip', 'br', 'identity;q=0'),
        },
        { requiredKeys: [] },
      ),
    },
  );

/** Requests to one operation, right ones and wrong ones, by one of the walkers. */
export function requestsTo(
  operation: Operation,
  walkers: readonly string[],
  context: SchemaContext,
): Arbitrary<ApiRequest> {
  return fc
    .record({
      walker: fc.constantFrom(...walkers),
      path: pathOf(operation, context),
      query: queryOf(operation, context),
      body: bodyOf(operation, context),
      headers: headersOf(),
    })
    .map(({ walker, path, query, body, headers }) => ({
      operation,
      walker,
      address: path.path + query,
      headers: { ...headers, ...(body.type === '' ? {} : { 'Content-Type': body.type }) },
      body: body.text,
      strayPath: path.stray,
    }));
}
