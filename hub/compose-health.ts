import type { Chore } from './chores.ts';
import { auditHealth } from './domains/identity/audit-health-workflow.ts';
import { loadSite } from './domains/identity/workflow.ts';
import { createFindingBook } from './domains/system/finding-workflow.ts';
import { healthReportEndpoint } from './domains/system/health-routes.ts';
import { metricsEndpoint } from './domains/system/metrics-routes.ts';
import type { Endpoint } from './http/endpoint.ts';
import type { RawEndpoint } from './http/raw-endpoint.ts';
import type { Announce } from './platform/announce.ts';
import type { Clock } from './platform/clock.ts';
import { clockHealth } from './platform/clock-health.ts';
import { diskHealth } from './platform/disk-health.ts';
import type { HealthPart } from './platform/health-part.ts';
import type { Logger } from './platform/log.ts';
import { watchProcess } from './platform/process-health.ts';
import { hubRelease } from './store/migrations.ts';
import type { Store } from './store/store.ts';
import { storeHealth } from './store/store-health.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A minute is the shortest that a finding's words speak of. */
const lookEveryMs = 30_000;
/** What reads the whole store waits until the hub has started and its pages are open. */
const firstCheckAfterMs = 10 * minuteMs;

export interface HealthDeps {
  readonly store: Store;
  readonly storePath: string;
  /** Whose file system is watched. */
  readonly directory: string;
  readonly clock: Clock;
  readonly announce: Announce;
  readonly log: Logger;
  /** Parts that were put together elsewhere. */
  readonly parts: readonly HealthPart[];
}

export interface Health {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints: readonly RawEndpoint[];
  readonly chores: readonly Chore[];
  /** Reads the whole store for damage and verifies the audit log, now. */
  checkWhole(): Promise<void>;
  /** A part that exists only later. Before the first scrape. */
  add(part: HealthPart): void;
  close(): void;
}

/** Findings, figures and metrics of all parts of the hub, and what keeps them up to date. */
export function composeHealth(deps: HealthDeps): Health {
  const { store, clock, log } = deps;
  const storePart = storeHealth({ store, path: deps.storePath, clock });
  const audit = auditHealth({ store, clock });
  const process = watchProcess();
  const parts: HealthPart[] = [
    storePart.part,
    diskHealth(deps.directory),
    clockHealth(clock),
    process.part,
    audit.part,
    ...deps.parts,
  ];
  const findings = createFindingBook({ parts, clock, announce: deps.announce, log });
  return {
    endpoints: [
      healthReportEndpoint({
        parts,
        findings,
        clock,
        log,
        release: hubRelease,
        siteName: async () => (await loadSite(store.read))?.name ?? null,
      }),
    ],
    rawEndpoints: [metricsEndpoint({ parts, findings, release: hubRelease })],
    chores: [
      { name: 'findings', everyMs: lookEveryMs, run: async () => void (await findings.look()) },
      { name: 'storeCheck', everyMs: dayMs, firstAfterMs: firstCheckAfterMs, run: () => storePart.check() },
      { name: 'auditCheck', everyMs: dayMs, firstAfterMs: firstCheckAfterMs, run: () => audit.check() },
    ],
    async checkWhole() {
      await storePart.check();
      await audit.check();
    },
    add: (part) => void parts.push(part),
    close: () => process.close(),
  };
}
