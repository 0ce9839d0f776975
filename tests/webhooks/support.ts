import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { members } from '#hub/domains/members/domain.ts';
import { listDeliveries } from '#hub/domains/webhooks/delivery-repository.ts';
import { webhooks as webhookDomain } from '#hub/domains/webhooks/domain.ts';
import type { Resolve } from '#hub/domains/webhooks/guarded-post.ts';
import {
  type Delivery,
  lastingTopicsOf,
  type Webhook,
  webhookBodySchemasOf,
} from '#hub/domains/webhooks/schema.ts';
import { deliveryToWire } from '#hub/domains/webhooks/webhook-view.ts';
import { createWebhook, loadWebhook } from '#hub/domains/webhooks/webhook-workflow.ts';
import type { Webhooks, WebhooksOptions } from '#hub/domains/webhooks/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { AnnounceIn, LastingAnnouncement } from '#hub/store/announce.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import type { Announced } from '#tests/_support/announcements.ts';
import { catalog, openTestDomains, permissions } from '#tests/_support/open-domains.ts';
import { accepted, TestTime } from '#tests/access/support.ts';

export const webhookInputs = webhookBodySchemasOf(lastingTopicsOf(catalog.topics));
const log = createLog({ level: 'silent' });

export const grace: Principal = {
  kind: 'account',
  accountId: '01890000-0000-7000-8000-000000000001',
  displayName: 'Grace',
  permissions: new Set(permissions),
  sessionId: 'session',
};

export interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: string;
}

/** What receives webhooks, on this machine. */
export class Receiver {
  readonly got: Got[] = [];
  /** How it answers; without one it takes everything. */
  answer: (response: ServerResponse, got: Got, count: number) => void = (response) => response.end();
  port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }
  get ids(): (string | undefined)[] {
    return this.got.map(({ headers }) => headers['webhook-id'] as string | undefined);
  }
  async until(count: number): Promise<void> {
    await expect.poll(() => this.got.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
  }
}

export async function receive(answer?: Receiver['answer']): Promise<Receiver> {
  const receiver = new Receiver();
  if (answer !== undefined) receiver.answer = answer;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const got = { headers: request.headers, path: request.url ?? '', body };
      receiver.got.push(got);
      receiver.answer(response, got, receiver.got.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.port = (server.address() as AddressInfo).port;
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  return receiver;
}

/** Answers every request with this status. */
export const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Receiver['answer'] =>
  (response) =>
    response.writeHead(status, headers).end(body);

export interface Bench {
  readonly store: Store;
  readonly time: TestTime;
  readonly webhooks: Webhooks;
  readonly announceIn: AnnounceIn;
  readonly announced: Announced[];
  /** As after the end of the process, in order or not. */
  readonly openAgain: (options?: BenchOptions) => Promise<Bench>;
}
type BenchOptions = Partial<
  Pick<WebhooksOptions, 'maxPending' | 'resolve' | 'attemptTimeoutMs' | 'allowPrivateNetworks' | 'clock'>
>;

/** A half of the spread: waits are as they stand in the table. */
const evenly = (): number => 0.5;

async function openIn(folder: string, key: Buffer, time: TestTime, options: BenchOptions): Promise<Bench> {
  const store = await openStore({
    path: path.join(folder, 'hub.sqlite'),
    key,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock: time,
    log,
  });
  const { clock = time, maxPending = 100, allowPrivateNetworks = ['127.0.0.0/8'], ...delivery } = options;
  const { running, announced } = await openTestDomains({
    store,
    clock,
    config: { webhooks: { maxPending, allowPrivateNetworks } },
    ports: { after: time.after, delivery: { random: evenly, ...delivery } },
  });
  const { webhooks } = running.of(webhookDomain);
  webhooks.start();
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await webhooks.close();
    await store.close();
  };
  onTestFinished(close);
  return {
    store,
    time,
    webhooks,
    announceIn: running.of(members).deps.announceIn,
    announced,
    openAgain: async (again = options) => {
      await close();
      return openIn(folder, key, time, again);
    },
  };
}

/** A real store with the webhooks on it; time stands still until it is told otherwise, and nothing waits by chance. */
export function openBench(options: BenchOptions = {}): Promise<Bench> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-hook-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return openIn(folder, randomBytes(32), new TestTime(), options);
}

export async function addWebhook(
  { webhooks }: Bench,
  url: string,
  more: Record<string, unknown> = {},
): Promise<{ webhook: Webhook; secret: string }> {
  const body = webhookInputs.create.parse({ name: `To ${url}`, url, topics: ['member.changed'], ...more });
  return accepted(await createWebhook(webhooks.deps, grace, body));
}

/** Announces as a workflow does: inside a transaction. */
export async function announce(
  { store, announceIn }: Pick<Bench, 'store' | 'announceIn'>,
  announcement: LastingAnnouncement = { topic: 'member.changed', data: { memberId: newId() } },
): Promise<void> {
  await store.transact('test.announce', (tx) => announceIn(tx, announcement));
}

export const show = async ({ webhooks, store }: Bench, id: string): Promise<Webhook> =>
  accepted(await loadWebhook(webhooks.deps, store.read, id));

export const deliveries = async ({ store }: Bench, webhookId: string): Promise<Delivery[]> =>
  (await listDeliveries(store.read, webhookId, { state: undefined, after: null, limit: 200 })).map(
    deliveryToWire,
  );

/** Waits until the newest delivery of a webhook is as it should be, and gives it. */
export async function untilDelivery(
  bench: Bench,
  webhookId: string,
  fits: (delivery: Delivery) => boolean,
): Promise<Delivery> {
  let found: Delivery | undefined;
  await expect
    .poll(
      async () => {
        [found] = await deliveries(bench, webhookId);
        return found !== undefined && fits(found);
      },
      { timeout: 30_000 },
    )
    .toBe(true);
  return found!;
}

/** Names without DNS. */
export const resolving =
  (names: Readonly<Record<string, readonly string[]>>, asked: string[] = []): Resolve =>
  async (host) => {
    asked.push(host);
    const addresses = names[host];
    if (addresses === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
