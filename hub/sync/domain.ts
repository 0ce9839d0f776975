import { z } from 'zod';
import { answer, type Domain, type RunningDomain } from '#hub/domain.ts';
import { hasCentre } from '#hub/domains/access/domain.ts';
import { loadSite } from '#hub/domains/identity/workflow.ts';
import type { DataOf, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { hubRelease } from '#hub/store/migrating/migrations.ts';
import { hubRetention, pruneAllChanges } from '#hub/store/writing/change-retention.ts';
import { noteRestored } from './link/restore-workflow.ts';
import { syncHealth } from './page/health.ts';
import { syncEndpoints } from './page/routes.ts';
import { syncProblems } from './problems.ts';
import { syncTables } from './repository.ts';
import { syncStateSchema } from './schema.ts';
import type { Follow } from './sync.ts';
import { RunningSync } from './workflow.ts';

const topics = {
  'sync.changed': {
    permission: 'system.read',
    text: 'Replication with the central database is in another state, or its conflicts or dead letters changed; `/api/sync` says more',
    data: z.strictObject({ state: syncStateSchema }),
    lasting: false,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

const config = z.strictObject({ pollSeconds: z.number().int().min(1).max(3600).default(4) }).prefault({});

declare module '#hub/kernel/vocabulary.ts' {
  interface Topics extends DataOf<typeof topics> {}
  interface Refusals extends Record<keyof typeof syncProblems, true> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    readonly replication: {
      /** This machine's, as `readMachineInstance` says. */
      readonly instance: string;
      /** Requests of people and programs that the hub has answered so far: replication yields to them. */
      readonly answeredRequests: () => number;
    };
  }
}

const minuteMs = 60_000;

export interface RunningReplication extends RunningDomain {
  readonly sync: RunningSync;
  /** Follows up rows that were written past the workflows. */
  readonly follow: Follow;
}

/** Replication with a central database. */
export const sync: Domain<RunningReplication> = {
  name: 'sync',
  tables: syncTables,
  permissions: {},
  topics,
  problems: syncProblems,
  tags: { sync: 'Replication with a central database: link, state, conflicts, what could not be taken' },
  config,
  async open(core) {
    const { store } = core;
    const follow = core.afterReplication;
    const running = new RunningSync({
      ...core,
      ...core.ports.replication,
      ...core.config(config),
      follow,
      findSiteId: async (reader) => (await loadSite(reader))?.id ?? null,
      release: hubRelease,
    });
    // Before anything is written in this process: writes must know whether whole rows are announced.
    await running.load();
    return {
      sync: running,
      follow,
      endpoints: syncEndpoints(running, { store, tables: core.catalog.tables, sync: running, follow }),
      answers: [answer(hasCentre, async () => running.isLinked)],
      health: [syncHealth(running, core.clock)],
      chores: [
        {
          name: 'changes',
          everyMs: 10 * minuteMs,
          run: async () => pruneAllChanges(store, { ...hubRetention, keepFrom: await running.neededFrom() }),
        },
        { name: 'sync', everyMs: minuteMs, run: () => running.maintain() },
      ],
      serve: () => running.start(),
      async afterRestore() {
        await store.transact('restore.end', noteRestored);
        return null;
      },
      close: () => running.close(),
    };
  },
};
