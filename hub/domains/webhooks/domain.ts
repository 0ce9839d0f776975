import { z } from 'zod';
import type { Domain, RunningDomain } from '#hub/domain.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import type { DataOf, PermissionSpec, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { type After, processTimers } from '#hub/platform/timers.ts';
import { hubRelease } from '#hub/store/migrating/migrations.ts';
import { webhookProblems } from './problems.ts';
import { webhookTables } from './repository.ts';
import { allWebhookEndpoints } from './routes.ts';
import { lastingTopicsOf, messageSchemaOf } from './schema.ts';
import { createWebhooks, type Webhooks, type WebhooksOptions } from './workflow.ts';

const permissions = {
  'webhook.read': { text: 'See webhooks and their deliveries' },
  'webhook.manage': { text: 'Add and change webhooks, deliver again' },
} as const satisfies Readonly<Record<string, PermissionSpec>>;

const topics = {
  'webhook.changed': {
    permission: 'webhook.read',
    text: 'A webhook or the state of its deliveries changed',
    data: z.strictObject({ webhookId: idSchema }),
    lasting: false,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

const config = z
  .strictObject({
    allowPrivateNetworks: z
      .array(
        z.union([z.cidrv4(), z.cidrv6()], {
          error: 'is no network such as 192.168.1.0/24 or fd00::/8 (one address: 192.168.1.5/32)',
        }),
      )
      .max(50)
      .default([]),
    maxPending: z.number().int().min(10).max(20_000).default(5000),
  })
  .prefault({});

declare module '#hub/kernel/vocabulary.ts' {
  interface Permissions extends Record<keyof typeof permissions, true> {}
  interface Topics extends DataOf<typeof topics> {}
  interface Refusals extends Record<keyof typeof webhookProblems, true> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    /** Of tests: names without DNS, waits without chance, impatience. */
    readonly delivery?: Pick<WebhooksOptions, 'resolve' | 'random' | 'attemptTimeoutMs'>;
    /** Timers; those of the process unless told. */
    readonly after?: After;
  }
}

const minuteMs = 60_000;

export interface RunningWebhooks extends RunningDomain {
  readonly webhooks: Webhooks;
}

/** Outgoing webhooks: notifies other programs of what happens. */
export const webhooks: Domain<RunningWebhooks> = {
  name: 'webhooks',
  tables: webhookTables,
  permissions,
  topics,
  problems: webhookProblems,
  tags: { webhooks: 'Programs elsewhere that are told what happens, by signed requests' },
  config,
  async open(core) {
    const running = createWebhooks({
      ...core,
      ...core.ports.delivery,
      ...core.config(config),
      after: core.ports.after ?? processTimers,
      release: hubRelease,
    });
    await running.load();
    return {
      webhooks: running,
      endpoints: allWebhookEndpoints(running.deps),
      announcements: running.queue,
      sends: lastingTopicsOf(core.catalog.topics).flatMap((topic) => {
        const spec = core.catalog.topics[topic];
        if (spec === undefined) return [];
        const { text: description, permission, data } = spec;
        return [{ topic, description, permission, body: messageSchemaOf(topic, data) }];
      }),
      health: [running.health],
      chores: [{ name: 'webhooks', everyMs: minuteMs, run: running.maintain }],
      afterReplication: {
        webhook: async (tx) => tx.afterCommit(() => void running.load()),
      },
      serve: async () => running.start(),
      close: running.close,
    };
  },
};
