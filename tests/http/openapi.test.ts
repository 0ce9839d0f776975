import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { describeApi, openapiEndpoint, operationId } from '#hub/http/openapi/openapi.ts';
import { healthEndpoint } from '#hub/http/serving/health.ts';
import { ok } from '#hub/kernel/result.ts';
import { catalog } from '#tests/_support/open-domains.ts';
import { testCatalog } from './problems.ts';
import { clock, echo, serve, things } from './support.ts';

const named = z.strictObject({ id: z.string(), size: z.number().default(1) }).meta({ id: 'Thing' });
const listThings = defineEndpoint({
  method: 'GET',
  path: '/api/named',
  summary: 'Named',
  tag: 'things',
  access: { permission: 'member.read' },
  query: z.strictObject({ cursor: z.string().optional().meta({ description: 'Where to go on' }) }),
  response: z.strictObject({ items: z.array(named), nextCursor: z.string().nullable() }),
  refusals: ['cursorInvalid'],
  handle: async () => ok({ items: [], nextCursor: null }),
});
const putThing = defineEndpoint({
  method: 'PUT',
  path: '/api/named/{id}',
  summary: 'Puts',
  tag: 'things',
  access: { signedIn: true },
  params: z.strictObject({ id: z.string() }),
  body: named,
  response: named,
  refusals: ['staleVersion', 'thingLocked'],
  handle: async ({ body }) => ok(body),
});
const health = healthEndpoint({ probes: {}, release: '1', clock });
const options = {
  endpoints: [...things, listThings, putThing],
  rawEndpoints: [health],
  ...testCatalog,
  tags: catalog.tags,
  version: '1.2.3',
  sessionCookie: '__Host-session',
  csrfHeader: 'X-CSRF-Token',
};

interface JsonSchema {
  $ref?: string;
  required?: string[];
  allOf?: { properties?: { code: { enum: string[] } } }[];
}
interface Answered {
  $ref?: string;
  description: string;
  content: Record<string, { schema: JsonSchema }>;
}
interface Operation {
  operationId: string;
  parameters: { name: string; in: string; required: boolean; description?: string }[];
  security: unknown[];
  responses: Record<string, Answered>;
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
}
const document = describeApi(options) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema>; responses: Record<string, Answered> };
};
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
);

describe('the OpenAPI document', () => {
  it('has every endpoint, each under an id of its own', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(operations).toHaveLength(options.endpoints.length + 1);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(operationId('PATCH', '/api/members/{id}/holds')).toBe('patchMembersByIdHolds');
  });

  it('refers only to what is there, and uses no form that only zod knows', () => {
    const text = JSON.stringify(document);
    const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(refs.length).toBeGreaterThan(operations.length);
    for (const ref of refs) {
      const [, kind, name] =
        /^#\/components\/(schemas|headers|responses|parameters)\/([\w.-]+)$/.exec(ref) ?? [];
      expect(name, ref).toBeDefined();
      expect(document.components).toHaveProperty([kind!, name!]);
    }
    expect(text).not.toContain('$defs');
    expect(text).not.toContain('"id":"Thing"');
  });

  it('declares exactly the parameters that a path has', () => {
    for (const { path, operation } of operations) {
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(inPath.map((parameter) => parameter.name)).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]),
      );
      for (const parameter of inPath) expect(parameter.required).toBe(true);
    }
    const [cursor] = document.paths['/api/named']!['get']!.parameters;
    expect(cursor).toMatchObject({
      name: 'cursor',
      in: 'query',
      required: false,
      description: 'Where to go on',
    });
  });

  it('names every refusal with its status, and what the platform answers', () => {
    const codesAt = (path: string, method: string, status: number) => {
      const answered = document.paths[path]![method]!.responses[status]!;
      const shared = document.components.responses[answered.$ref?.split('/').at(-1) ?? ''];
      const { content } = shared ?? answered;
      return content['application/problem+json']!.schema.allOf![1]!.properties!.code.enum;
    };
    expect(codesAt('/api/named/{id}', 'put', 409)).toEqual(
      expect.arrayContaining(['staleVersion', 'thingLocked', 'idempotencyKeyInUse']),
    );
    expect(codesAt('/api/named', 'get', 400)).toEqual([
      'credentialsAmbiguous',
      'cursorInvalid',
      'invalidRequest',
    ]);
    expect(codesAt('/api/named/{id}', 'put', 507)).toEqual(['diskFull']);
    for (const endpoint of options.endpoints) {
      const operation = document.paths[endpoint.path]![endpoint.method.toLowerCase()]!;
      for (const code of endpoint.refusals) {
        const { status } = testCatalog.problems.of(code);
        expect(codesAt(endpoint.path, endpoint.method.toLowerCase(), status)).toContain(code);
      }
      expect(operation.responses).toHaveProperty(String(endpoint.status));
      expect(operation.responses).toHaveProperty('429');
      const csrf = endpoint.method === 'GET' ? {} : { csrf: [] };
      const needed = [{ session: [], ...csrf }, { bearer: [] }];
      expect(operation.security).toEqual('open' in endpoint.access ? [] : needed);
      expect('401' in operation.responses).toBe(!('open' in endpoint.access));
    }
  });

  it('tells what is written from what is read, where they differ', () => {
    const put = document.paths['/api/named/{id}']!['put']!;
    expect(put.requestBody?.content['application/json']?.schema).toEqual({
      $ref: '#/components/schemas/ThingInput',
    });
    expect(put.responses['200']!.content['application/json']!.schema).toEqual({
      $ref: '#/components/schemas/Thing',
    });
    expect(document.components.schemas['Thing']!.required).toEqual(['id', 'size']);
    expect(document.components.schemas['ThingInput']!.required).toEqual(['id']);
  });

  it('refuses two schemas of one name', () => {
    const other = {
      ...echo,
      path: '/api/other',
      params: undefined,
      response: z.strictObject({ x: z.string() }).meta({ id: 'Problem' }),
    };
    expect(() => describeApi({ ...options, endpoints: [other] })).toThrow('both named Problem');
  });

  it('is served to everybody at /openapi.json', async () => {
    const { origin } = await serve({ rawEndpoints: [openapiEndpoint(options), health] });
    const response = await fetch(`${origin}/openapi.json`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(document);
  });
});

describe('/health', () => {
  const healthOf = async (probes: Record<string, () => Promise<unknown>>) => {
    const endpoint = healthEndpoint({ probes, release: '1.2.3', clock, timeoutMs: 20 });
    const { origin } = await serve({ rawEndpoints: [endpoint] });
    const response = await fetch(`${origin}/health/`);
    return { status: response.status, body: await response.json() };
  };

  it('says ok when every probe answers', async () => {
    expect(await healthOf({ store: async () => 1 })).toEqual({
      status: 200,
      body: { status: 'ok', failing: [], release: '1.2.3', uptimeSeconds: 0 },
    });
  });

  it('answers 503 and names the probes that fail or hang, and nothing of why', async () => {
    const probes = {
      store: () => Promise.reject(new Error('secret detail')),
      broker: () => new Promise(() => undefined),
      fine: async () => 1,
    };
    const { status, body } = await healthOf(probes);
    expect(status).toBe(503);
    expect(body).toMatchObject({ status: 'failing', failing: ['store', 'broker'] });
    expect(JSON.stringify(body)).not.toContain('secret');
  });
});
