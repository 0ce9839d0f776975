import { describe, expect, it } from 'vitest';
import {
  changeWebhook,
  clearDead,
  createWebhook,
  loadWebhook,
  removeWebhook,
  rotateSecret,
} from '#hub/domains/webhooks/webhook-workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { accepted, refused } from '#tests/access/support.ts';
import {
  addWebhook,
  announce,
  answering,
  deliveries,
  grace,
  openBench,
  receive,
  resolving,
  show,
  webhookInputs,
} from './support.ts';

const onlyMembers: Principal = { ...grace, permissions: new Set(['webhook.manage', 'member.read']) };
const draft = (more: Record<string, unknown> = {}) =>
  webhookInputs.create.parse({
    name: 'Chat',
    url: 'http://127.0.0.1:9/',
    topics: ['member.changed'],
    ...more,
  });

describe('a webhook', () => {
  it.each([
    ['http://localhost.test/', '127.0.0.1'],
    ['http://nas.test/', '192.168.1.10'],
    ['http://169.254.169.254/latest/meta-data/', '169.254.169.254'],
    ['http://[::1]:8080/', '::1'],
    ['http://two.test/', '10.0.0.1'],
    ['http://2130706433/', '127.0.0.1'],
  ])('to %s is refused, with where it leads and what would allow it', async (url, address) => {
    const names = {
      'localhost.test': ['127.0.0.1'],
      'nas.test': ['192.168.1.10'],
      'two.test': ['1.1.1.1', '10.0.0.1'],
    };
    const bench = await openBench({ allowPrivateNetworks: [], resolve: resolving(names) });
    const refusal = refused(await createWebhook(bench.webhooks.deps, grace, draft({ url })));
    expect(refusal).toMatchObject({
      code: 'targetRefused',
      errors: [{ pointer: '/body/url', message: expect.stringContaining('webhooks.allowPrivateNetworks') }],
    });
    expect(JSON.stringify(refusal)).toContain(`leads to ${address},`);
  });

  it('may be to a name that does not resolve just now', async () => {
    const bench = await openBench({ resolve: resolving({}) });
    accepted(await createWebhook(bench.webhooks.deps, grace, draft({ url: 'https://away.test/' })));
  });

  it('is told nothing that whoever set it up may not see', async () => {
    const bench = await openBench();
    const { deps } = bench.webhooks;
    const wanted = draft({ topics: ['member.changed', 'access.event'] });
    expect(refused(await createWebhook(deps, onlyMembers, wanted))).toEqual({
      code: 'beyondOwnPermissions',
      permissions: ['accessEvent.read'],
    });
    const { webhook } = accepted(await createWebhook(deps, grace, wanted));
    // Another address would let them read what it is told.
    const elsewhere = { version: webhook.version, url: 'http://127.0.0.1:10/' };
    expect(refused(await changeWebhook(deps, onlyMembers, webhook.id, elsewhere)).code).toBe(
      'beyondOwnPermissions',
    );
    accepted(await changeWebhook(deps, onlyMembers, webhook.id, { version: 1, topics: ['member.changed'] }));
  });

  it('is changed in its present version only, under a name of its own', async () => {
    const bench = await openBench();
    const { deps } = bench.webhooks;
    const { webhook } = await addWebhook(bench, 'http://127.0.0.1:9/', { name: 'Chat' });
    await addWebhook(bench, 'http://127.0.0.1:9/', { name: 'Lights' });
    expect(refused(await createWebhook(deps, grace, draft({ name: 'chat' }))).code).toBe('webhookNameTaken');
    expect(refused(await changeWebhook(deps, grace, webhook.id, { version: 1, name: 'LIGHTS' })).code).toBe(
      'webhookNameTaken',
    );
    accepted(await changeWebhook(deps, grace, webhook.id, { version: 1, name: 'chat' }));
    expect(
      refused(await changeWebhook(deps, grace, webhook.id, { version: 1, active: false })),
    ).toMatchObject({
      code: 'staleVersion',
      current: { name: 'chat', version: 2 },
    });
  });

  it('is one of at most twenty', async () => {
    const bench = await openBench();
    for (let count = 0; count < 20; count += 1)
      await addWebhook(bench, 'http://127.0.0.1:9/', { name: `Hook ${count}` });
    const more = await createWebhook(bench.webhooks.deps, grace, draft());
    expect(refused(more).code).toBe('tooManyWebhooks');
  });

  it('takes everything that waits for it along when it is removed', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(500));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await receiver.until(1);
    accepted(await removeWebhook(bench.webhooks.deps, grace, webhook.id));
    expect(refused(await loadWebhook(bench.webhooks.deps, bench.store.read, webhook.id)).code).toBe(
      'webhookNotFound',
    );
    for (const table of ['webhook_delivery', 'webhook_message', 'webhook_secret'] as const)
      expect(await bench.store.read.selectFrom(table).selectAll().execute()).toEqual([]);
    await announce(bench);
    expect(await deliveries(bench, webhook.id)).toEqual([]);
    expect(await bench.webhooks.health.findings!()).toEqual([]);
  });

  it('has its dead letters cleared away on request', async () => {
    const bench = await openBench();
    const receiver = await receive(answering(410));
    const { webhook } = await addWebhook(bench, receiver.url);
    await announce(bench);
    await expect.poll(async () => (await show(bench, webhook.id)).dead, { timeout: 30_000 }).toBe(1);
    expect(accepted(await clearDead(bench.webhooks.deps, grace, webhook.id))).toEqual({ removed: 1 });
    expect(await deliveries(bench, webhook.id)).toEqual([]);
  });
});

describe('a secret', () => {
  it('is shown once, and is in no later answer, audit entry or change for replication', async () => {
    const bench = await openBench();
    const { deps } = bench.webhooks;
    const { webhook, secret } = await addWebhook(bench, 'http://127.0.0.1:9/key-in-the-path', {
      name: 'Chat',
    });
    const { secret: other } = accepted(await rotateSecret(deps, grace, webhook.id, 1));
    const changed = accepted(await changeWebhook(deps, grace, webhook.id, { version: 1, name: 'Other' }));
    const { read } = bench.store;
    const audit = await read.selectFrom('audit_payload').selectAll().execute();
    const changes = await read.selectFrom('change').selectAll().execute();
    expect(audit.length).toBeGreaterThanOrEqual(3);
    const text = JSON.stringify([changed, await show(bench, webhook.id), audit, changes, bench.announced]);
    for (const word of [secret, other]) {
      const bare = word.slice('whsec_'.length);
      expect(text).not.toContain(bare);
      expect(text).not.toContain(Buffer.from(bare, 'base64').toString('hex'));
    }
    // An address may be a secret as well: the audit log has only where it leads.
    expect(JSON.stringify(audit)).toContain('http://127.0.0.1:9');
    expect(JSON.stringify(audit)).not.toContain('key-in-the-path');
  });
});
