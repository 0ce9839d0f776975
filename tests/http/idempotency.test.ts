import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { hubTables } from '#hub/domains.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { Reply } from '#hub/http/endpoint/endpoint.ts';
import { assertEndpoints } from '#hub/http/endpoint/endpoint-check.ts';
import { Idempotency, type IdempotencyBounds, idempotencyBounds } from '#hub/http/idempotency/idempotency.ts';
import { idempotencyHealth } from '#hub/http/idempotency/idempotency-health.ts';
import { Fault, ok, refuse } from '#hub/kernel/result.ts';
import { openStore } from '#hub/store/open-store.ts';
import { testCatalog } from './problems.ts';
import { ask, authenticator, folder, logInto, serve } from './support.ts';

const startMs = Date.parse('2026-11-23T12:00:00Z');

/** A real store, its clock, and the app of one endpoint that counts how often it was carried out. */
async function open(bounds: Partial<IdempotencyBounds> = {}) {
  const clock = { ms: startMs, nowMs: () => clock.ms, monotonicMs: () => clock.ms };
  const { log } = logInto();
  const store = await openStore({
    path: path.join(folder(), 'hub.sqlite'),
    key: randomBytes(32),
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock,
    log,
  });
  onTestFinished(() => store.close());
  const makeIdempotency = () =>
    new Idempotency({ store, clock, log, bounds: { ...idempotencyBounds, ...bounds } });
  const idempotency = makeIdempotency();
  const done: string[] = [];
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
  /** Settles never: what follows it did not happen before the hub was killed. */
  const killed = new Promise<never>(() => undefined);
  const state = { killsAfter: '' };
  const order = (step: string, what: string) =>
    store.transact(`orders.${step}`, async (tx) => {
      await tx.local
        .insertInto('store_fact')
        .values({ name: `order ${step} ${what}`, value: String(done.length), updated_at_ms: tx.nowMs })
        .execute();
      return { id: String(done.length), step };
    });
  const ordered = async () => {
    const facts = await store.read.selectFrom('store_fact').select('name').orderBy('name').execute();
    return facts.map(({ name }) => name).filter((name) => name.startsWith('order '));
  };
  const endpoint = (spec: {
    readonly path: string;
    readonly answerIsSecret?: true;
    readonly actsOutside?: true;
  }) =>
    defineEndpoint({
      ...spec,
      method: 'POST',
      summary: 'Orders',
      tag: 'orders',
      access: { permission: 'member.read' },
      body: z.strictObject({ what: z.string(), version: z.number().optional() }),
      response: z.strictObject({ id: z.string(), version: z.number(), what: z.string() }),
      status: 201,
      refusals: ['soldOut', 'machineAsleep'],
      async handle({ body: { what } }) {
        done.push(what);
        if (what === 'slow') await gate;
        if (what === 'soldOut') return refuse({ code: 'soldOut' });
        if (what === 'asleep') return refuse({ code: 'machineAsleep' });
        if (what === 'busy') throw new Fault('storeBusy', 'queue full');
        if (what === 'bug') throw new Error('in the middle');
        if (what.startsWith('two steps')) {
          const first = await order('first', what);
          if (state.killsAfter === 'first') await killed;
          const second = await order('second', what);
          if (state.killsAfter === 'second') await killed;
          return ok({ id: `${first.id} ${second.id}`, version: 1, what });
        }
        if (what === 'taken') {
          if ((await ordered()).includes('order first taken')) return refuse({ code: 'soldOut' });
          await order('first', what);
          if (state.killsAfter === 'first') await killed;
        }
        const headers = what === 'cookie' ? { 'Set-Cookie': 'secret=1' } : {};
        return ok(new Reply({ id: String(done.length), version: 1, what }, { headers }));
      },
    });
  const endpoints = [
    endpoint({ path: '/api/orders' }),
    endpoint({ path: '/api/orders/second' }),
    endpoint({ path: '/api/orders/secret', answerIsSecret: true }),
    endpoint({ path: '/api/orders/outside', actsOutside: true }),
  ];
  const bob = {
    ...authenticator,
    authenticate: async (caller: Parameters<typeof authenticator.authenticate>[0]) => {
      const known = await authenticator.authenticate({
        ...caller,
        headers: { ...caller.headers, authorization: 'Bearer ada' },
      });
      return caller.headers.authorization === 'Bearer bob' && known.ok && known.value !== null
        ? ok({ ...known.value, accountId: 'bob' })
        : known;
    },
  };
  const { origin } = await serve({ endpoints, idempotency, authenticator: bob });
  let address = origin;
  /** What a hub finds that is started after one was killed. */
  const restart = async () => {
    state.killsAfter = '';
    const again = await serve({ endpoints, idempotency: makeIdempotency(), authenticator: bob });
    address = again.origin;
  };
  const post = async (key: string | null, body: object, options: { at?: string; as?: string } = {}) => {
    const answer = await fetch(address + (options.at ?? '/api/orders'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${options.as ?? 'ada'}`,
        ...(key === null ? {} : { 'idempotency-key': key }),
      },
      body: JSON.stringify(body),
    });
    return {
      status: answer.status,
      replayed: answer.headers.get('idempotency-replayed'),
      retryAfter: answer.headers.get('retry-after'),
      etag: answer.headers.get('etag'),
      type: answer.headers.get('content-type'),
      body: (await answer.json()) as Record<string, unknown>,
    };
  };
  const countKept = async () => (await store.read.selectFrom('keyed_request').select('id').execute()).length;
  return { store, clock, idempotency, done, openGate, post, origin, countKept, state, restart, ordered };
}

describe('a write with an Idempotency-Key', () => {
  it('is carried out once: the same request again gets the same answer and says so', async () => {
    const { post, done } = await open();
    const first = await post('k1', { what: 'drill' });
    const second = await post('k1', { what: 'drill' }, { at: '/api/orders/' });
    expect(first).toMatchObject({ status: 201, replayed: null, body: { id: '1', what: 'drill' } });
    expect(second).toEqual({ ...first, replayed: 'true' });
    expect(first.etag).toMatch(/^"1-/);
    expect(done).toEqual(['drill']);
    expect((await post(null, { what: 'drill' })).body).toMatchObject({ id: '2' });
  });

  it('with another body, query or version under the same key is refused and changes nothing', async () => {
    const { post, done, origin } = await open();
    await post('k1', { what: 'drill' });
    for (const other of [await post('k1', { what: 'saw' }), await post('k1', { what: 'drill', version: 2 })])
      expect(other).toMatchObject({ status: 422, body: { code: 'idempotencyKeyReused' } });
    expect(done).toEqual(['drill']);
    const { port } = new URL(origin);
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer ada',
      'idempotency-key': 'k1',
      'if-match': '"7"',
    };
    const conditional = await ask({
      port,
      path: '/api/orders',
      method: 'POST',
      headers,
      body: '{"what":"drill"}',
    });
    expect(conditional.json()).toMatchObject({ code: 'idempotencyKeyReused' });
  });

  it('has nothing to do with the keys of another caller or another endpoint', async () => {
    const { post, done } = await open();
    await post('k1', { what: 'drill' });
    expect(await post('k1', { what: 'saw' }, { as: 'bob' })).toMatchObject({ status: 201, replayed: null });
    expect(await post('k1', { what: 'axe' }, { at: '/api/orders/second' })).toMatchObject({ status: 201 });
    expect(done).toEqual(['drill', 'saw', 'axe']);
  });

  it('waits for nobody: while the first is under way the second is told to come back', async () => {
    const { post, done, openGate } = await open();
    const first = post('k1', { what: 'slow' });
    await expect.poll(() => done).toEqual(['slow']);
    expect(await post('k1', { what: 'slow' })).toMatchObject({
      status: 409,
      retryAfter: '1',
      body: { code: 'idempotencyKeyInUse' },
    });
    expect(await post('k1', { what: 'other' })).toMatchObject({ status: 422 });
    openGate();
    expect(await first).toMatchObject({ status: 201 });
    expect(await post('k1', { what: 'slow' })).toMatchObject({ status: 201, replayed: 'true' });
  });

  it('repeats a refusal too, but not one that only says "later"', async () => {
    const { post, done } = await open();
    const refused = await post('k1', { what: 'soldOut' });
    expect(refused).toMatchObject({
      status: 409,
      type: 'application/problem+json',
      body: { code: 'soldOut' },
    });
    expect(await post('k1', { what: 'soldOut' })).toEqual({ ...refused, replayed: 'true' });
    for (const what of ['asleep', 'busy']) {
      expect(await post(what, { what })).toMatchObject({ status: 503, replayed: null });
      expect(await post(what, { what })).toMatchObject({ status: 503, replayed: null });
    }
    expect(done).toEqual(['soldOut', 'asleep', 'asleep', 'busy', 'busy']);
  });

  it('is a first request again when the hub broke off before it wrote anything', async () => {
    const { post, done, restart } = await open();
    expect((await post('k1', { what: 'bug' })).status).toBe(500);
    expect((await post('k1', { what: 'bug' })).status).toBe(500);
    void post('k2', { what: 'slow' }).catch(() => undefined);
    await expect.poll(() => done).toEqual(['bug', 'bug', 'slow']);
    await restart();
    void post('k2', { what: 'slow' }).catch(() => undefined);
    await expect.poll(() => done).toEqual(['bug', 'bug', 'slow', 'slow']);
  });

  it.each(['first', 'second'])(
    'comes to its answer when the hub was killed behind its %s transaction',
    async (step) => {
      const { post, restart, state, ordered, done } = await open();
      state.killsAfter = step;
      void post('k1', { what: 'two steps' }).catch(() => undefined);
      await expect.poll(ordered).toHaveLength(step === 'first' ? 1 : 2);
      await restart();
      expect(await post('k1', { what: 'two steps, changed' })).toMatchObject({
        status: 422,
        body: { code: 'idempotencyKeyReused' },
      });
      const again = await post('k1', { what: 'two steps' });
      expect(again).toMatchObject({
        status: 201,
        replayed: 'true',
        // The value that was committed, and for what was left a new one.
        body: { id: step === 'first' ? '1 2' : '1 1' },
      });
      expect(await post('k1', { what: 'two steps' })).toEqual(again);
      expect(await ordered()).toEqual(['order first two steps', 'order second two steps']);
      expect(done).toHaveLength(2);
    },
  );

  it('says that it was carried out where its answer cannot be found any more', async () => {
    const { post, restart, state, ordered, store } = await open();
    state.killsAfter = 'first';
    void post('k1', { what: 'two steps' }, { at: '/api/orders/secret' }).catch(() => undefined);
    await expect.poll(ordered).toHaveLength(1);
    void post('k2', { what: 'taken' }).catch(() => undefined);
    await expect.poll(ordered).toHaveLength(2);
    const kept = await store.read.selectFrom('keyed_request').select('body').execute();
    expect(kept).toHaveLength(2);
    await restart();
    const notKept = { status: 409, body: { code: 'idempotencyAnswerNotKept', firstStatus: 201 } };
    expect(await post('k1', { what: 'two steps' }, { at: '/api/orders/secret' })).toMatchObject(notKept);
    // It meets what itself has written, and would say so.
    expect(await post('k2', { what: 'taken' })).toMatchObject(notKept);
    expect(await ordered()).toHaveLength(2);
  });

  it('of unknown outcome is not repeated where it acts on more than the store', async () => {
    const { post, done, clock, restart } = await open();
    const outside = { at: '/api/orders/outside' };
    expect((await post('k1', { what: 'bug' }, outside)).status).toBe(500);
    const unknown = {
      status: 409,
      body: { code: 'idempotencyOutcomeUnknown', firstAt: new Date(clock.ms).toISOString() },
    };
    expect(await post('k1', { what: 'bug' }, outside)).toMatchObject(unknown);
    void post('k2', { what: 'slow' }, outside).catch(() => undefined);
    await expect.poll(() => done).toEqual(['bug', 'slow']);
    await restart();
    expect(await post('k2', { what: 'slow' }, outside)).toMatchObject(unknown);
    expect(done).toEqual(['bug', 'slow']);
  });

  it('never has an answer kept that holds a secret or a cookie, or is too large', async () => {
    const { post, done, store } = await open({ answerBytes: 100 });
    const secret = { at: '/api/orders/secret' };
    expect((await post('k1', { what: 'token' }, secret)).status).toBe(201);
    expect((await post('k2', { what: 'cookie' })).status).toBe(201);
    expect((await post('k3', { what: 'x'.repeat(100) })).status).toBe(201);
    for (const again of [
      await post('k1', { what: 'token' }, secret),
      await post('k2', { what: 'cookie' }),
      await post('k3', { what: 'x'.repeat(100) }),
    ])
      expect(again).toMatchObject({
        status: 409,
        body: { code: 'idempotencyAnswerNotKept', firstStatus: 201 },
      });
    expect(done).toHaveLength(3);
    const kept = await store.read.selectFrom('keyed_request').select(['body', 'headers']).execute();
    expect(kept).toEqual([1, 2, 3].map(() => ({ body: null, headers: '{}' })));
  });

  it('is forgotten after a day', async () => {
    const { post, done, clock, idempotency, countKept } = await open();
    await post('k1', { what: 'drill' });
    clock.ms += idempotencyBounds.keepMs - 1;
    await idempotency.prune();
    expect(await post('k1', { what: 'drill' })).toMatchObject({ replayed: 'true' });
    clock.ms += 1;
    expect(await post('k1', { what: 'saw' })).toMatchObject({ status: 201, replayed: null });
    expect(await post('k1', { what: 'saw' })).toMatchObject({ status: 201, replayed: 'true' });
    expect(done).toEqual(['drill', 'saw']);
    clock.ms += idempotencyBounds.keepMs + 1;
    await idempotency.prune();
    expect(await countKept()).toBe(0);
  });

  it('makes room by dropping the oldest when there are too many, and the health report says so', async () => {
    const { post, idempotency, clock, countKept } = await open({ rows: 3 });
    const { findings } = idempotencyHealth(idempotency, clock);
    for (const key of ['a', 'b', 'c']) {
      await post(key, { what: key });
      clock.ms += 1;
    }
    expect([await countKept(), await findings?.()]).toEqual([3, []]);
    clock.ms += 1;
    await post('d', { what: 'd' });
    expect(await countKept()).toBe(3);
    expect(await post('d', { what: 'd' })).toMatchObject({ replayed: 'true' });
    expect(await post('b', { what: 'b' })).toMatchObject({ replayed: 'true' });
    expect(await findings?.()).toMatchObject([{ id: 'repetitions.full', severity: 'warning' }]);
  });

  it.each(['', 'two words', 'ä', 'x'.repeat(256)])('is refused with the key %j', async (key) => {
    const { origin, done } = await open();
    const { port } = new URL(origin);
    const answer = await ask({
      port,
      path: '/api/orders',
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer ada',
        'idempotency-key': key,
      },
      body: '{"what":"drill"}',
    });
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 'idempotencyKeyInvalid' }]);
    expect(done).toEqual([]);
  });
});

describe('an endpoint whose answer looks like a secret', () => {
  it('does not start without saying so', () => {
    const make = (answerIsSecret: { answerIsSecret?: true }) =>
      defineEndpoint({
        ...answerIsSecret,
        method: 'POST',
        path: '/api/keys',
        summary: 'Makes a key',
        tag: 'keys',
        access: { signedIn: true },
        response: z.strictObject({ apiToken: z.string() }),
        refusals: [],
        handle: async () => ok({ apiToken: 'x' }),
      });
    expect(() => assertEndpoints({ endpoints: [make({})], ...testCatalog })).toThrow(
      'POST /api/keys answers with apiToken',
    );
    expect(() =>
      assertEndpoints({ endpoints: [make({ answerIsSecret: true })], ...testCatalog }),
    ).not.toThrow();
  });
});
