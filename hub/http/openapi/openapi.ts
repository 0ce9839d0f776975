import { z } from 'zod';
import type { PermissionCatalog } from '#hub/kernel/permission-catalog.ts';
import type { Access, Endpoint } from '../endpoint/endpoint.ts';
import { platformProblems, problemSchema } from '../endpoint/problem.ts';
import type { ProblemCatalog } from '../endpoint/problem-catalog.ts';
import type { RawEndpoint } from '../endpoint/raw-endpoint.ts';
import { exampleOf } from './examples.ts';
import {
  describeProblems,
  headerComponents,
  headersOf,
  parameterComponents,
  parameterRef,
  platformCodes,
  type SharedResponses,
} from './responses.ts';
import { type Components, isJson, type Json, toJsonSchema } from './schemas.ts';
import { type DescribedWebhook, describeWebhooks } from './webhooks.ts';

export interface OpenapiOptions {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints?: readonly RawEndpoint[];
  /** Messages that the hub sends. */
  readonly webhooks?: readonly DescribedWebhook[];
  readonly permissions: PermissionCatalog;
  readonly problems: ProblemCatalog;
  /** The parts of the interface with their descriptions, in the order in which they are read. */
  readonly tags: Readonly<Record<string, string>>;
  readonly version: string;
  /** Names of the cookie and the header by which a browser says who it is. */
  readonly sessionCookie: string;
  readonly csrfHeader: string;
}

/** Collects components and shared responses while operations are described. */
interface Draft extends Pick<OpenapiOptions, 'permissions' | 'problems'> {
  readonly components: Components;
  readonly responses: SharedResponses;
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

/** An id in a path is one of what stands before it. */
function describePathParameter(path: string, name: string, own: unknown): string {
  const before = path.slice(0, path.indexOf(`/{${name}}`)).replaceAll(/\/\{\w+\}/g, '');
  return typeof own === 'string' && own !== 'UUIDv7' ? own : `Id of one of \`${before}\`, a UUIDv7`;
}

function parametersOf(
  { components }: Draft,
  path: string,
  schema: z.ZodType | undefined,
  place: 'path' | 'query',
): Json[] {
  if (schema === undefined) return [];
  const { properties, required } = toJsonSchema(components, schema, 'input');
  const requiredNames = Array.isArray(required) ? required : [];
  return Object.entries(isJson(properties) ? properties : {}).map(([name, property]) => {
    const own = isJson(property) ? property['description'] : undefined;
    const description = place === 'path' ? describePathParameter(path, name, own) : own;
    return {
      name,
      in: place,
      required: place === 'path' || requiredNames.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: property,
      ...(place === 'path' ? { example: exampleOf(components, property, name) } : {}),
    };
  });
}

const securityOf = (access: Access, method: string): Json[] =>
  'open' in access ? [] : [{ session: [], ...(method === 'GET' ? {} : { csrf: [] }) }, { bearer: [] }];

function describeAccess(access: Access, permissions: PermissionCatalog): string {
  if ('open' in access) return `Open to everybody: ${access.open}.`;
  return 'permission' in access
    ? `Needs the permission \`${access.permission}\` (${permissions.textOf(access.permission).toLowerCase()}).`
    : 'For everybody who is signed in.';
}

function describeWords(
  { permissions }: Draft,
  {
    description,
    access,
    ratePerMinute,
  }: Pick<Endpoint, 'access' | 'ratePerMinute'> & { readonly description?: string | undefined },
): string {
  const rate = `At most ${ratePerMinute} requests a minute from one address, more from the box itself.`;
  const texts = [description, describeAccess(access, permissions), rate];
  return texts.filter((text) => text !== undefined).join('\n\n');
}

/** The parts that no domain has. */
const platformTags = {
  live: 'What happens, as it happens: server-sent events',
  system: 'The hub itself',
};

/** The tags that are used, each with its description; one that nobody described comes last and bare. */
function describeTags(tags: OpenapiOptions['tags'], used: readonly string[]): Json[] {
  const names = new Set(used);
  const known = Object.keys(tags).filter((name) => names.has(name));
  const bare = [...names].filter((name) => tags[name] === undefined).sort();
  return [...known, ...bare].map((name) => {
    const description = tags[name];
    return description === undefined ? { name } : { name, description };
  });
}

const withExample = ({ components }: Draft, schema: Json, name = ''): Json => ({
  schema,
  example: exampleOf(components, schema, name),
});

/** The headers that an endpoint takes, and how a list as a file may be asked for. */
const headerParametersOf = ({ method, isEntity, takesVersion, csv }: Endpoint): Json[] => [
  ...(csv === undefined ? [] : [parameterRef('delimiter'), parameterRef('bom')]),
  ...(method === 'GET' ? [] : [parameterRef('Idempotency-Key')]),
  ...(method !== 'GET' && takesVersion ? [parameterRef('If-Match')] : []),
  ...(method === 'GET' && isEntity ? [parameterRef('If-None-Match')] : []),
];

/** Describes the successful answer of an endpoint. */
function describeDone(endpoint: Endpoint, done: Json): Json {
  const { method, isEntity, csv } = endpoint;
  const isTagged = isEntity && (method === 'GET' || method === 'POST' || method === 'PATCH');
  const headers = headersOf(
    ...(isTagged ? ['ETag'] : []),
    ...(method === 'GET' ? [] : ['Idempotency-Replayed']),
  );
  const lines = { schema: { type: 'string' }, example: `${csv?.columns.join(',') ?? ''}\r\n` };
  const content = { 'application/json': done, ...(csv === undefined ? {} : { 'text/csv': lines }) };
  return {
    [String(endpoint.status)]: {
      description: csv === undefined ? 'Done' : 'Done; as CSV the whole list',
      headers,
      content,
    },
    ...(method === 'GET' && isEntity
      ? { 304: { description: 'What If-None-Match names is what there is', headers: headersOf('ETag') } }
      : {}),
  };
}

function describeEndpoint(draft: Draft, endpoint: Endpoint): Json {
  const { method, path, access, params, query, body, takesVersion } = endpoint;
  const platform = platformCodes({
    access,
    method,
    takesVersion,
    takesInput: params !== undefined || query !== undefined,
    hasCsv: endpoint.csv !== undefined,
    isParsed: true,
  });
  const done = withExample(draft, toJsonSchema(draft.components, endpoint.response, 'output'));
  const isConditional = takesVersion && endpoint.refusals.includes('staleVersion');
  return {
    operationId: operationId(method, path),
    summary: endpoint.summary,
    description: describeWords(draft, endpoint),
    tags: [endpoint.tag],
    security: securityOf(access, method),
    parameters: [
      ...parametersOf(draft, path, params, 'path'),
      ...parametersOf(draft, path, query, 'query'),
      ...headerParametersOf(endpoint),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': withExample(draft, toJsonSchema(draft.components, body, 'input')),
            },
          },
        }),
    responses: {
      ...describeDone(endpoint, done),
      ...describeProblems({
        ...draft,
        codes: [
          ...endpoint.refusals.map((code) => [code, draft.problems.of(code).status] as const),
          ...(isConditional ? [['staleVersion', platformProblems.preconditionFailed.status] as const] : []),
          ...platform.map((code) => [code, platformProblems[code].status] as const),
        ],
        done: done['example'],
      }),
    },
  };
}

function describeRawEndpoint(draft: Draft, endpoint: RawEndpoint): Json {
  const platform = platformCodes({
    access: endpoint.access,
    method: 'GET',
    takesInput: endpoint.query !== undefined,
    takesVersion: false,
    hasCsv: false,
    isParsed: false,
  });
  const schema = toJsonSchema(draft.components, endpoint.response, 'output');
  const content = { [endpoint.mediaType]: withExample(draft, schema) };
  const others = Object.entries(endpoint.otherStatuses ?? {});
  return {
    operationId: operationId('GET', endpoint.path),
    summary: endpoint.summary,
    description: describeWords(draft, endpoint),
    tags: [endpoint.tag],
    security: securityOf(endpoint.access, 'GET'),
    parameters: parametersOf(draft, endpoint.path, endpoint.query, 'query'),
    responses: {
      ...describeProblems({
        ...draft,
        codes: platform.map((code) => [code, platformProblems[code].status] as const),
        done: undefined,
      }),
      200: { description: 'Done', headers: headersOf(), content },
      ...Object.fromEntries(
        others.map(([status, description]) => [status, { description, headers: headersOf(), content }]),
      ),
    },
  };
}

const describeSecurity = ({ sessionCookie, csrfHeader }: OpenapiOptions): Json => ({
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: sessionCookie,
    description: 'The browser session that `POST /auth/session` opens; the browser sends it by itself.',
  },
  csrf: {
    type: 'apiKey',
    in: 'header',
    name: csrfHeader,
    description: 'Goes with the session at everything but GET: `csrfToken` of `GET /auth/session`.',
  },
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token of a program: `Authorization: Bearer ...`, without cookie and CSRF header.',
  },
});

const intro = `Doors, members and cards of one makerspace, decided on its own box.

**Errors** are problem documents (RFC 9457, \`application/problem+json\`): \`code\` is for programs, \`title\` and
\`nextStep\` for people, \`errors\` names fields by JSON pointer, \`requestId\` finds the request in the log.

**Lists** come page by page: send \`nextCursor\` back as \`cursor\` until it is null. A cursor counts for the \`sort\`
and the filters that it came with; \`count=true\` adds \`total\`.

**Lists as files**: a list that has them answers \`Accept: text/csv\` with all that fits the query, as CSV.

**Writes** take an \`Idempotency-Key\`, so that one may be repeated when its answer was lost.

**Changes** name the \`version\` that they were made on; an older one is refused as \`staleVersion\` with what is there
now as \`current\`. \`If-Match\` with the \`ETag\` that was read says the same.

Times are ISO 8601 in UTC, money is in the smallest unit of its currency, ids are UUIDv7. A trailing slash is accepted
everywhere.`;

/** The OpenAPI 3.1 document of everything that is mounted: paths, schemas, and every code that each may refuse with. */
export function describeApi(options: OpenapiOptions): Json {
  const { endpoints, rawEndpoints = [], webhooks = [], permissions, problems } = options;
  const draft: Draft = { components: new Map(), responses: new Map(), permissions, problems };
  const paths = new Map<string, Record<string, Json>>();
  const put = (path: string, method: string, operation: Json): void => {
    paths.set(path, { ...paths.get(path), [method.toLowerCase()]: operation });
  };
  toJsonSchema(draft.components, problemSchema, 'output');
  // What is read is named before what is written, see `nameFor`.
  for (const { response } of endpoints) toJsonSchema(draft.components, response, 'output');
  for (const endpoint of endpoints) put(endpoint.path, endpoint.method, describeEndpoint(draft, endpoint));
  for (const endpoint of rawEndpoints) put(endpoint.path, 'GET', describeRawEndpoint(draft, endpoint));
  return {
    openapi: '3.1.0',
    info: {
      title: 'MakrCave hub',
      version: options.version,
      description: intro,
      contact: { name: 'Whoever runs this makerspace' },
    },
    servers: [{ url: '/', description: 'This hub' }],
    tags: describeTags(
      { ...options.tags, ...platformTags },
      [...endpoints, ...rawEndpoints].map(({ tag }) => tag),
    ),
    ...(webhooks.length === 0 ? {} : { webhooks: describeWebhooks(draft.components, webhooks) }),
    paths: Object.fromEntries([...paths].sort(([left], [right]) => (left < right ? -1 : 1))),
    components: {
      schemas: Object.fromEntries(draft.components),
      headers: headerComponents,
      parameters: parameterComponents,
      responses: Object.fromEntries(draft.responses),
      securitySchemes: describeSecurity(options),
    },
  };
}

/** `GET /openapi.json`, described at the first request. The document does not describe itself. */
export function openapiEndpoint(options: OpenapiOptions): RawEndpoint {
  let text: string | undefined;
  return {
    path: '/openapi.json',
    summary: 'This interface as an OpenAPI 3.1 document',
    tag: 'system',
    access: { open: 'describes the interface and holds no data' },
    ratePerMinute: 60,
    mediaType: 'application/json',
    response: z.looseObject({ openapi: z.string() }),
    serve: () => {
      text ??= JSON.stringify(describeApi(options));
      return Promise.resolve({
        status: 200,
        headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' },
        body: text,
      });
    },
  };
}
