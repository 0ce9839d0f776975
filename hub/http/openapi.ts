import { z } from 'zod';
import { assert } from '#hub/kernel/result.ts';
import type { Access, Endpoint } from './endpoint.ts';
import { type PlatformProblemCode, platformProblems, problemSchema } from './problem.ts';
import type { RawEndpoint } from './raw-endpoint.ts';

type Json = Readonly<Record<string, unknown>>;
const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface OpenapiOptions {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints?: readonly RawEndpoint[];
  readonly version: string;
  readonly sessionCookie: string;
  readonly csrfHeader: string;
}

/** The named schemas of the document; a schema is named by `.meta({ id })`. */
type Components = Map<string, Json>;

const componentRef = (name: string): string => `#/components/schemas/${name}`;

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

function toJsonSchema(components: Components, schema: z.ZodType, io: 'input' | 'output'): Json {
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

/** `PATCH /api/members/{id}/holds` -> `patchMembersByIdHolds`. */
export function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api\//, '/')
    .split(/[/.-]/)
    .filter((segment) => segment !== '')
    .map((segment) =>
      segment.replace(
        /^\{(\w)(\w*)\}$/,
        (_, first: string, rest: string) => `By${first.toUpperCase()}${rest}`,
      ),
    )
    .map((segment) => segment.charAt(0).toUpperCase() + segment.slice(1));
  return method.toLowerCase() + words.join('');
}

function parametersOf(
  components: Components,
  schema: z.ZodType | undefined,
  place: 'path' | 'query',
): Json[] {
  if (schema === undefined) return [];
  const { properties, required } = toJsonSchema(components, schema, 'input');
  const requiredNames = Array.isArray(required) ? required : [];
  return Object.entries(isJson(properties) ? properties : {}).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || requiredNames.includes(name),
    ...(isJson(property) && typeof property['description'] === 'string'
      ? { description: property['description'] }
      : {}),
    schema: property,
  }));
}

function platformCodes(access: Access, method: string, takesInput: boolean): PlatformProblemCode[] {
  const isWrite = method !== 'GET';
  return [
    ...(takesInput || isWrite ? (['invalidRequest'] as const) : []),
    ...('open' in access ? [] : (['signInRequired', 'sessionExpired', 'credentialsInvalid'] as const)),
    ...('permission' in access ? (['permissionMissing'] as const) : []),
    ...(isWrite ? (['csrfFailed', 'malformedJson', 'bodyTooLarge', 'bodyNotJson', 'diskFull'] as const) : []),
    'tooManyRequests',
    'internalError',
    'storeBusy',
  ];
}

/** Every status that is a problem, with the codes that it may carry. */
function problemResponses(codesWithStatus: readonly (readonly [code: string, status: number])[]): Json {
  const codesByStatus = new Map<number, Set<string>>();
  for (const [code, status] of codesWithStatus)
    codesByStatus.set(status, (codesByStatus.get(status) ?? new Set()).add(code));
  return Object.fromEntries(
    [...codesByStatus].map(([status, codes]) => [
      String(status),
      {
        description: [...codes].sort().join(', '),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [
                { $ref: componentRef('Problem') },
                { type: 'object', properties: { code: { enum: [...codes].sort() } } },
              ],
            },
          },
        },
      },
    ]),
  );
}

const securityOf = (access: Access): Json[] => ('open' in access ? [] : [{ session: [] }]);

function describeAccess(access: Access): string {
  if ('open' in access) return `Open: ${access.open}.`;
  return 'permission' in access
    ? `Needs the permission \`${access.permission}\`.`
    : 'For everybody who is signed in.';
}

function describeEndpoint(components: Components, endpoint: Endpoint): Json {
  const { method, path, access, params, query, body } = endpoint;
  const platform = platformCodes(access, method, params !== undefined || query !== undefined);
  return {
    operationId: operationId(method, path),
    summary: endpoint.summary,
    description: describeAccess(access),
    tags: [endpoint.tag],
    security: securityOf(access),
    parameters: [...parametersOf(components, params, 'path'), ...parametersOf(components, query, 'query')],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: toJsonSchema(components, body, 'input') } },
          },
        }),
    responses: {
      [String(endpoint.status)]: {
        description: 'Done',
        content: { 'application/json': { schema: toJsonSchema(components, endpoint.response, 'output') } },
      },
      ...problemResponses([
        ...Object.entries(endpoint.refusals),
        ...platform.map((code) => [code, platformProblems[code].status] as const),
      ]),
    },
  };
}

function describeRawEndpoint(components: Components, endpoint: RawEndpoint): Json {
  const platform = platformCodes(endpoint.access, 'GET', false);
  const content = { [endpoint.mediaType]: { schema: toJsonSchema(components, endpoint.response, 'output') } };
  const others = Object.entries(endpoint.otherStatuses ?? {});
  return {
    operationId: operationId('GET', endpoint.path),
    summary: endpoint.summary,
    description: describeAccess(endpoint.access),
    tags: [endpoint.tag],
    security: securityOf(endpoint.access),
    parameters: [],
    responses: {
      ...problemResponses(platform.map((code) => [code, platformProblems[code].status] as const)),
      200: { description: 'Done', content },
      ...Object.fromEntries(others.map(([status, description]) => [status, { description, content }])),
    },
  };
}

/** The OpenAPI 3.1 document of everything that is mounted: paths, schemas, and every code that each may refuse with. */
export function describeApi(options: OpenapiOptions): Json {
  const components: Components = new Map();
  const paths = new Map<string, Record<string, Json>>();
  const put = (path: string, method: string, operation: Json): void => {
    paths.set(path, { ...paths.get(path), [method.toLowerCase()]: operation });
  };
  toJsonSchema(components, problemSchema, 'output');
  // What is read is named before what is written, see `nameFor`.
  for (const { response } of options.endpoints) toJsonSchema(components, response, 'output');
  for (const endpoint of options.endpoints)
    put(endpoint.path, endpoint.method, describeEndpoint(components, endpoint));
  for (const endpoint of options.rawEndpoints ?? [])
    put(endpoint.path, 'GET', describeRawEndpoint(components, endpoint));
  return {
    openapi: '3.1.0',
    info: {
      title: 'MakrCave hub',
      version: options.version,
      description:
        'Every error is an RFC 9457 problem. A write by a browser session carries the header ' +
        `\`${options.csrfHeader}\`; a trailing slash is accepted everywhere.`,
    },
    paths: Object.fromEntries([...paths].sort(([left], [right]) => (left < right ? -1 : 1))),
    components: {
      schemas: Object.fromEntries(components),
      securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: options.sessionCookie } },
    },
  };
}

/** `GET /openapi.json`, printed once. The document does not describe itself. */
export function openapiEndpoint(options: OpenapiOptions): RawEndpoint {
  const text = JSON.stringify(describeApi(options));
  return {
    path: '/openapi.json',
    summary: 'This interface as an OpenAPI 3.1 document',
    tag: 'system',
    access: { open: 'describes the interface and holds no data' },
    ratePerMinute: 60,
    mediaType: 'application/json',
    response: z.looseObject({ openapi: z.string() }),
    serve: () =>
      Promise.resolve({
        status: 200,
        headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' },
        body: text,
      }),
  };
}
