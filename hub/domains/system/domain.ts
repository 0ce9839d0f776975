import { z } from 'zod';
import type { Domain } from '#hub/domain.ts';
import { loadSite } from '#hub/domains/identity/workflow.ts';
import type { DataOf, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { hubRelease } from '#hub/store/migrating/migrations.ts';
import { addressEndpoint, type ListeningPorts } from './address-routes.ts';
import { createFindingBook } from './finding-workflow.ts';
import { healthReportEndpoint } from './health-routes.ts';
import { metricsEndpoint } from './metrics-routes.ts';

const topics = {
  'finding.changed': {
    permission: 'system.read',
    text: 'Something that is not as it should be was found, or is over; `/health/detailed` says what',
    data: z.strictObject({
      appeared: z.array(z.string()).max(50).meta({ description: 'Ids of findings' }),
      cleared: z.array(z.string()).max(50),
    }),
    lasting: false,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

declare module '#hub/kernel/vocabulary.ts' {
  interface Topics extends DataOf<typeof topics> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    /** Where the hub listens now. */
    readonly listening: () => ListeningPorts;
  }
}

/** A minute is the shortest that a finding's words speak of. */
const lookEveryMs = 30_000;

/** The hub itself: its findings, figures and addresses. */
export const system: Domain = {
  name: 'system',
  tables: {},
  permissions: {},
  topics,
  problems: {},
  tags: {},
  open(core) {
    const { store, clock, log, announce } = core;
    const findings = createFindingBook({ parts: core.healthParts, clock, announce, log });
    return {
      endpoints: [
        addressEndpoint(core.ports.listening),
        healthReportEndpoint({
          parts: core.healthParts,
          findings,
          clock,
          log,
          release: hubRelease,
          siteName: async () => (await loadSite(store.read))?.name ?? null,
        }),
      ],
      rawEndpoints: [metricsEndpoint({ parts: core.healthParts, findings, release: hubRelease })],
      chores: [{ name: 'findings', everyMs: lookEveryMs, run: async () => void (await findings.look()) }],
    };
  },
};
