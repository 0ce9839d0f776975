import { createServer } from 'node:https';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { retryDelaysMs } from '#hub/domains/webhooks/rules.ts';
import {
  changeWebhook,
  pingWebhook,
  redeliver,
  redeliverDead,
  resumeWebhook,
  rotateSecret,
} from '#hub/domains/webhooks/webhook-workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { openTls } from '#hub/platform/tls/tls.ts';
import { hubRelease } from '#hub/store/migrating/migrations.ts';
import { accepted } from '#tests/access/support.ts';
import { folder, logInto } from '#tests/http/support.ts';
import {
  addWebhook,
  announce,
  answering,
  type Bench,
  deliveries,
  grace,
  openBench,
  receive,
  resolving,
  show,
  untilDelivery,
} from './support.ts';

const maxAttempts = retryDelaysMs.length + 1;

const hourMs = 3_600_000;
const verify = (secret: string, got: { headers: object; body: string }) =>
  new Webhook(secret).verify(got.body, got.headers as Record<string, string>);
const hanging = () => undefined;

/** Lets every attempt happen that is to come, each at its time. */
async function exhaust(bench: Bench, webhookId: string): Promise<void> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    await untilDelivery(bench, webhookId, (delivery) => delivery.attempts === attempt);
    bench.time.advance(retryDelaysMs[attempt - 1] ?? 0);
  }
}

describe('a delivery', () => {
  it('carries the event, signed as Standard Webhooks describes', async () => {
    const bench = await openBench();
    bench.time.ms = Date.now();
    const receiver = await receive();
    const { webhook, secret } = await addWebhook(bench, `${receiver.url}?from=hub`);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const memberId = newId();
    await announce(bench, { topic: 'member.changed', data: { memberId } });
    await receiver.until(1);
    const [got] = receiver.got;
    expect(verify(secret, got!)).toEqual({
      type: 'member.changed',
      timestamp: new Date(bench.time.ms).toISOString(),
      clockTrusted: true,
      data: { memberId },
    });
    expect(got!.path).toBe('/hook?from=hub');
    expect(got!.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': `MakrCave-Hub/${hubRelease}`,
      host: `127.0.0.1:${receiver.port}`,
    });
    expect(() => verify(secret, { ...got!, body: got!.body.replace('member', 'Member') })).toThrow();
    const delivery = await untilDelivery(bench, webhook.id, ({ state }) => state === 'delivered');
    expect(delivery).toMatchObject({ attempts: 1, responseStatus: 200, problem: null, nextAttemptAt: null });
    expect(got!.headers['webhook-id']).toBe(delivery.messageId);
    expect(bench.announced.map(({ topic }) => topic)).toEqual(
      expect.arrayContaining(['member.changed', 'webhook.changed']),
    );
  });

  it('is of a transaction that commits, or of none', async () => {
    const bench = await openBench();
    const receiver = await receive();
    await addWebhook(bench, receiver.url);
    await expect(
      bench.store.transact('test.fails', async (tx) => {
        const announcement = { topic: 'member.changed', data: { memberId: newId() } } as const;
        await bench.announceIn(tx, announcement);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    const memberId = newId();
    await announce(bench, { topic: 'member.changed', data: { memberId } });
    await receiver.until(1);
    expect(receiver.got.map(({ body }) => JSON.parse(body).data)).toEqual([{ memberId }]);
    expect(bench.announced.filter(({ topic }) => topic === 'member.changed')).toHaveLength(1);
  });

  it('goes to every webhook that waits for the topic, under one id, and to no other', async () => {
    const bench = await openBench();
    const [first, second, other, off] = [await receive(), await receive(), await receive(), await receive()];
    await addWebhook(bench, first.url);
    await addWebhook(bench, second.url, { topics: ['plan.changed', 'member.changed'] });
    await addWebhook(bench, other.url, { topics: ['plan.changed'] });
    await addWebhook(bench, off.url, { active: false });
    await announce(bench);
    await Promise.all([first.until(1), second.until(1)]);
    expect(first.ids).toEqual(second.ids);
    await announce(bench, { topic: 'plan.changed', data: { planId: newId(), change: 'created' } });
    await Promise.all([second.until(2), other.until(1)]);
    expect([first.got.length, off.got.length]).toEqual([1, 0]);
  });

  it('is signed with both secrets after a rotation until the overlap is over', async () => {
    const bench = await openBench();
    bench.time.ms = Date.now();
    const receiver = await receive();
    const { webhook, secret: before } = await addWebhook(bench, receiver.url);
    const { secret: after, webhook: rotated } = accepted(
      await rotateSecret(bench.webhooks.deps, grace, webhook.id, 1),
    );
    expect(after).not.toBe(before);
    expect(rotated.previousSecretUntil).toBe(new Date(bench.time.ms + hourMs).toISOString());
    await announce(bench);
    await receiver.until(1);
    verify(before, receiver.got[0]!);
    verify(after, receiver.got[0]!);
    bench.time.ms += hourMs;
    await announce(bench);
    await receiver.until(2);
    const late = receiver.got[1]!;
    expect(String(late.headers['webhook-signature']).split(' ')).toHaveLength(1);
    expect((await show(bench, webhook.id)).previousSecretUntil).toBeNull();
  });
});

describe('a delivery that fails', () => {
  it('is tried again under the same id, ends as a dead letter after the last try, and can be sent again', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(500, {}, 'no\u0007 such\n table'));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await exhaust(bench, webhook.id);
    const dead = await untilDelivery(bench, webhook.id, ({ state }) => state === 'dead');
    expect(dead).toMatchObject({
      attempts: maxAttempts,
      responseStatus: 500,
      problem: { code: 'status', sentence: 'The target did not accept it (HTTP 500).' },
      detail: 'no such table',
    });
    expect(receiver.got).toHaveLength(maxAttempts);
    expect(new Set(receiver.ids)).toEqual(new Set([dead.messageId]));
    expect((await bench.webhooks.health.findings!()).map(({ id }) => id)).toEqual([
      `webhook.dead:${webhook.id}`,
    ]);
    receiver.answer = answering(204);
    accepted(await redeliver(bench.webhooks.deps, grace, webhook.id, dead.id));
    await untilDelivery(bench, webhook.id, ({ state }) => state === 'delivered');
    expect(receiver.ids.at(-1)).toBe(dead.messageId);
    expect(await bench.webhooks.health.findings!()).toEqual([]);
  });

  it('waits as long as the target asks', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(503, { 'retry-after': '1000' }));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    const delivery = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    expect(delivery.nextAttemptAt).toBe(new Date(bench.time.ms + 1_000_000).toISOString());
    await announce(bench);
    receiver.answer = answering(200);
    bench.time.advance(999_000);
    expect(receiver.got).toHaveLength(1);
    bench.time.advance(1_000);
    await receiver.until(3);
  });

  it('ends the webhook when the target is gone for good', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(410));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ state }) => state === 'dead');
    const ended = await show(bench, webhook.id);
    expect(ended).toMatchObject({ state: 'ended', active: false, pending: 0, dead: 1 });
    await announce(bench);
    expect(await deliveries(bench, webhook.id)).toHaveLength(1);
    expect((await bench.webhooks.health.findings!()).map(({ id }) => id)).toContain(
      `webhook.ended:${webhook.id}`,
    );
    receiver.answer = answering(200);
    const version = ended.version;
    accepted(await changeWebhook(bench.webhooks.deps, grace, webhook.id, { version, active: true }));
    expect(await show(bench, webhook.id)).toMatchObject({ state: 'active', failures: 0 });
    expect(accepted(await redeliverDead(bench.webhooks.deps, grace, webhook.id))).toEqual({
      requeued: 1,
      left: 0,
    });
    await receiver.until(2);
  });

  it('is not led elsewhere by a redirect', async () => {
    const bench = await openBench();
    const elsewhere = await receive();
    const receiver = await receive((response, _got, count) =>
      response
        .writeHead(count === 1 ? 307 : 302, {
          location: count === 1 ? elsewhere.url : 'http://169.254.169.254/latest/meta-data',
        })
        .end(),
    );
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    const first = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    expect(first).toMatchObject({ problem: { code: 'redirected' }, responseStatus: 307 });
    bench.time.advance(5_000);
    await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 2);
    expect(elsewhere.got).toEqual([]);
  });

  it('says so when nobody answers at the address', async () => {
    const bench = await openBench();
    const receiver = await receive();
    const { webhook } = await addWebhook(bench, 'http://127.0.0.1:9/');
    await announce(bench);
    const delivery = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    expect(delivery).toMatchObject({ problem: { code: 'connectionFailed' }, detail: 'ECONNREFUSED' });
    expect(receiver.got).toEqual([]);
  });

  it('is not sent to a server whose certificate nobody vouches for', async () => {
    const bench = await openBench();
    const tls = await openTls({
      directory: folder(),
      configuredNames: [],
      clock: { nowMs: Date.now },
      log: logInto().log,
    });
    const got: string[] = [];
    const server = createServer(tls.current(), (request) => got.push(request.url ?? ''));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { webhook } = await addWebhook(bench, `https://127.0.0.1:${port}/`);
    await announce(bench);
    const delivery = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    expect(delivery.problem?.code).toBe('tlsFailed');
    expect(got).toEqual([]);
    server.close();
    tls.close();
  });
});

describe('a slow target', () => {
  it('delays nobody else, and is given up after a while', async () => {
    const bench = await openBench({ attemptTimeoutMs: 300 });
    const slow = await receive(hanging);
    const quick = await receive();
    const { webhook } = await addWebhook(bench, slow.url);
    await addWebhook(bench, quick.url);
    for (let count = 0; count < 20; count += 1) await announce(bench);
    await quick.until(20);
    await expect
      .poll(async () => (await deliveries(bench, webhook.id)).every(({ attempts }) => attempts === 1), {
        timeout: 30_000,
      })
      .toBe(true);
    const [delivery] = await deliveries(bench, webhook.id);
    expect(delivery).toMatchObject({ problem: { code: 'timedOut' }, state: 'pending' });
  });

  it('that has answered is not waited for until it has said everything', async () => {
    const bench = await openBench({ attemptTimeoutMs: 1_000 });
    const endless = await receive((response) => {
      response.writeHead(200);
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    const unfinished = await receive((response) => void response.writeHead(200).write('beginning'));
    const { webhook: first } = await addWebhook(bench, endless.url);
    const { webhook: second } = await addWebhook(bench, unfinished.url);
    await announce(bench);
    await untilDelivery(bench, first.id, ({ state }) => state === 'delivered');
    await untilDelivery(bench, second.id, ({ state }) => state === 'delivered');
  });
});

describe('names', () => {
  it('are resolved once for an attempt, and the connection goes to what was checked', async () => {
    const asked: string[] = [];
    const bench = await openBench({ resolve: resolving({ 'hook.test': ['127.0.0.1'] }, asked) });
    const receiver = await receive();
    await addWebhook(bench, `http://hook.test:${receiver.port}/hook`);
    asked.length = 0;
    await announce(bench);
    await receiver.until(1);
    expect(receiver.got[0]!.headers.host).toBe(`hook.test:${receiver.port}`);
    expect(asked).toEqual(['hook.test']);
  });

  it('that lead into a private network later are not followed there', async () => {
    const names: Record<string, string[]> = { 'hook.test': ['203.0.114.7'] };
    const bench = await openBench({ resolve: resolving(names), allowPrivateNetworks: [] });
    const inside = await receive();
    const { webhook } = await addWebhook(bench, `http://hook.test:${inside.port}/`);
    names['hook.test'] = ['127.0.0.1'];
    await announce(bench);
    const first = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    expect(first).toMatchObject({ problem: { code: 'addressRefused' }, detail: '127.0.0.1' });
    names['hook.test'] = ['203.0.114.7', '169.254.169.254'];
    bench.time.advance(5_000);
    const second = await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 2);
    expect(second).toMatchObject({ problem: { code: 'addressRefused' }, detail: '169.254.169.254' });
    expect(inside.got).toEqual([]);
  });

  it('that do not resolve are tried again', async () => {
    const names: Record<string, string[]> = {};
    const bench = await openBench({ resolve: resolving(names) });
    const receiver = await receive();
    const { webhook } = await addWebhook(bench, `http://hook.test:${receiver.port}/`);
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ problem }) => problem?.code === 'nameNotFound');
    names['hook.test'] = ['127.0.0.1'];
    bench.time.advance(5_000);
    await receiver.until(1);
  });

  it('that never resolve hold nothing up for longer than an attempt', async () => {
    const never = (host: string) =>
      host === 'never.test' ? new Promise<never>(() => undefined) : resolving({})(host);
    const bench = await openBench({ resolve: never, attemptTimeoutMs: 200 });
    const { webhook } = await addWebhook(bench, 'http://never.test/');
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ problem }) => problem?.code === 'timedOut');
  });
});

describe('the queue', () => {
  it('survives the end of the process: what was under way is sent again under the same id', async () => {
    const bench = await openBench();
    const receiver = await receive(hanging);
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await receiver.until(1);
    const again = await bench.openAgain();
    receiver.answer = answering(200);
    await receiver.until(2);
    const delivery = await untilDelivery(again, webhook.id, ({ state }) => state === 'delivered');
    expect(delivery.attempts).toBe(1);
    expect(receiver.ids).toEqual([delivery.messageId, delivery.messageId]);
  });

  it('that is full gives its oldest up, visibly', async () => {
    const bench = await openBench({ maxPending: 10 });
    const receiver = await receive(answering(503, { 'retry-after': '3600' }));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    for (let count = 0; count < 14; count += 1) await announce(bench);
    const all = await deliveries(bench, webhook.id);
    expect(all.map(({ state }) => state)).toEqual([...Array(10).fill('pending'), ...Array(5).fill('dead')]);
    expect(all.at(-1)?.problem?.code).toBe('queueFull');
    const found = await bench.webhooks.health.findings!();
    expect(found.map(({ id, severity }) => [id.split(':')[0], severity])).toEqual([
      ['webhook.queueFull', 'error'],
      ['webhook.dead', 'warning'],
    ]);
    expect(found[0]?.evidence).toMatch(/^5 deliveries/);
    receiver.answer = answering(200);
    accepted(await resumeWebhook(bench.webhooks.deps, grace, webhook.id));
    await receiver.until(11);
    await expect.poll(async () => (await show(bench, webhook.id)).pending, { timeout: 30_000 }).toBe(0);
    accepted(await redeliverDead(bench.webhooks.deps, grace, webhook.id));
    await expect.poll(async () => (await show(bench, webhook.id)).pending, { timeout: 30_000 }).toBe(0);
    expect(await bench.webhooks.health.findings!()).toEqual([]);
    expect(new Set(receiver.ids).size).toBe(15);
  });

  it('gives up what waited for a week, but not what was queued without a clock', async () => {
    const bench = await openBench();
    const { webhook } = await addWebhook(bench, 'http://127.0.0.1:9/');
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    bench.time.trust = () => 'restored' as never;
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    bench.time.ms += 8 * 24 * hourMs;
    await bench.webhooks.maintain();
    expect((await deliveries(bench, webhook.id)).map(({ state }) => state)).toEqual(['pending', 'pending']);
    bench.time.trust = () => 'ntp';
    await bench.webhooks.maintain();
    const all = await deliveries(bench, webhook.id);
    expect(all.map(({ state, problem }) => [state, problem?.code])).toEqual([
      ['pending', 'connectionFailed'],
      ['dead', 'tooOld'],
    ]);
  });

  it('goes on after the clock was set back', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(500));
    const { webhook } = await addWebhook(bench, receiver.url);
    bench.time.ms += 400 * 24 * hourMs;
    await announce(bench);
    await untilDelivery(bench, webhook.id, ({ attempts }) => attempts === 1);
    bench.time.ms -= 400 * 24 * hourMs;
    receiver.answer = answering(200);
    accepted(await resumeWebhook(bench.webhooks.deps, grace, webhook.id));
    await receiver.until(2);
  });

  it('keeps about the last 200 that were made', async () => {
    const bench = await openBench({ maxPending: 400 });
    const receiver = await receive();
    const { webhook } = await addWebhook(bench, receiver.url);
    await bench.store.transact('test.many', async (tx) => {
      for (let count = 0; count < 300; count += 1)
        await bench.webhooks.queue.enqueue(tx, [{ topic: 'member.changed', data: { memberId: newId() } }]);
    });
    await receiver.until(300);
    await expect.poll(async () => (await show(bench, webhook.id)).pending, { timeout: 30_000 }).toBe(0);
    const { count } = await bench.store.read
      .selectFrom('webhook_delivery')
      .select((expression) => expression.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    const messages = await bench.store.read.selectFrom('webhook_message').select('id').execute();
    expect(count).toBeGreaterThanOrEqual(200);
    expect(count).toBeLessThan(250);
    expect(messages).toHaveLength(count);
  });
});

describe('a target that fails for long', () => {
  it('is left alone but for a probe, and gets everything as soon as one arrives', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(500));
    const { webhook } = await addWebhook(bench, receiver.url);
    for (let count = 0; count < 25; count += 1) await announce(bench);
    await expect.poll(async () => (await show(bench, webhook.id)).failures, { timeout: 30_000 }).toBe(25);
    bench.time.advance(16 * 60_000);
    await expect.poll(async () => (await show(bench, webhook.id)).state, { timeout: 30_000 }).toBe('paused');
    const findings = await bench.webhooks.health.findings!();
    expect(findings).toEqual([
      expect.objectContaining({ id: `webhook.paused:${webhook.id}`, severity: 'error' }),
    ]);
    const before = receiver.got.length;
    await announce(bench);
    receiver.answer = answering(200);
    bench.time.advance(hourMs);
    await expect.poll(async () => (await show(bench, webhook.id)).pending, { timeout: 30_000 }).toBe(0);
    expect(receiver.got.length).toBe(before + 26);
    expect(await show(bench, webhook.id)).toMatchObject({ state: 'active', failures: 0 });
    const actions = await bench.store.read
      .selectFrom('audit_entry')
      .select('action')
      .where('target_id', '=', webhook.id)
      .orderBy('seq')
      .execute();
    expect(actions.map(({ action }) => action)).toEqual([
      'webhook.create',
      'webhook.pause',
      'webhook.recover',
    ]);
  });
});

describe('a test message', () => {
  it('goes to one webhook alone, whatever it waits for', async () => {
    const bench = await openBench();
    bench.time.ms = Date.now();
    const [receiver, other] = [await receive(), await receive()];
    const { webhook, secret } = await addWebhook(bench, receiver.url, { topics: ['plan.changed'] });
    await addWebhook(bench, other.url);
    const delivery = accepted(await pingWebhook(bench.webhooks.deps, grace, webhook.id));
    expect(delivery).toMatchObject({ topic: 'webhook.ping', state: 'pending' });
    await receiver.until(1);
    expect(verify(secret, receiver.got[0]!)).toMatchObject({
      type: 'webhook.ping',
      data: { webhookId: webhook.id, name: webhook.name },
    });
    expect(other.got).toEqual([]);
  });
});
