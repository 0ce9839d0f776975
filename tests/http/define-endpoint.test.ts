import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { defaultRatePerMinute, defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { type Principal, Reply } from '#hub/http/endpoint/endpoint.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { testCatalog } from './problems.ts';

const endpoint = defineEndpoint({
  method: 'PATCH',
  path: '/api/things/{id}',
  summary: 'Changes a thing',
  tag: 'things',
  access: { permission: 'member.manage' },
  params: z.strictObject({ id: z.string() }),
  body: z.strictObject({ size: z.coerce.number<number>() }),
  response: z.strictObject({ id: z.string(), size: z.number() }),
  refusals: ['thingMissing', 'thingLocked'],
  async handle({ principal, params, query, body }) {
    expectTypeOf(principal).toEqualTypeOf<Principal>();
    expectTypeOf(params).toEqualTypeOf<{ id: string }>();
    expectTypeOf(query).toEqualTypeOf<Readonly<Record<string, never>>>();
    if (params.id === 'gone') return refuse({ code: 'thingMissing' });
    return ok({ id: params.id, size: body.size });
  },
});
const open = defineEndpoint({
  method: 'GET',
  path: '/open',
  summary: 'Open',
  tag: 'things',
  access: { open: 'says nothing about anybody' },
  response: z.strictObject({ name: z.string().nullable() }),
  refusals: [],
  async handle({ principal }) {
    expectTypeOf(principal).toEqualTypeOf<Principal | null>();
    return ok({ name: principal?.displayName ?? null });
  },
});
const context = { requestId: 'r', remoteAddress: '127.0.0.1', userAgent: '' };
const principal: Principal = {
  kind: 'console',
  accountId: 'console',
  displayName: 'console',
  permissions: new Set(),
  sessionId: 'console',
};

const { problems } = testCatalog;

describe('an endpoint value', () => {
  it('carries everything that routes and OpenAPI need, with defaults filled in', () => {
    expect(endpoint).toMatchObject({
      method: 'PATCH',
      status: 200,
      ratePerMinute: defaultRatePerMinute,
      refusals: ['thingMissing', 'thingLocked'],
      query: undefined,
    });
  });

  it('hands the parsed values to its handler and answers its result', async () => {
    const call = { principal, params: { id: 'a' }, query: {}, body: { size: 3 }, context };
    expect(await endpoint.invoke(call, problems)).toEqual(ok(new Reply({ id: 'a', size: 3 })));
    expect(await endpoint.invoke({ ...call, params: { id: 'gone' } }, problems)).toEqual(
      refuse({ code: 'thingMissing' }),
    );
  });

  it('asserts that somebody calls it unless it is open', async () => {
    const call = { principal: null, params: { id: 'a' }, query: {}, body: { size: 3 }, context };
    await expect(endpoint.invoke(call, problems)).rejects.toThrow('is called by nobody');
    expect(await open.invoke(call, problems)).toEqual(ok(new Reply({ name: null })));
  });

  it('does not compile when a refusal is left out of the list', () => {
    defineEndpoint({
      method: 'GET',
      path: '/x',
      summary: 'x',
      tag: 'things',
      access: { signedIn: true },
      response: z.null(),
      refusals: ['known'],
      // @ts-expect-error `other` is in no list
      handle: async () => refuse({ code: 'other' }),
    });
  });
});
