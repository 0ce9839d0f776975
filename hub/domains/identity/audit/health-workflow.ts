import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Store } from '#hub/store/store.ts';
import type { Verification } from '../schema.ts';
import { verifyAudit } from './workflow.ts';

export interface AuditHealth {
  readonly part: HealthPart;
  /** Verifies the whole chain. Call it daily. */
  check(): Promise<void>;
}

/** Reports the last verification of the audit log. Held in memory only: unknown until the first one after a start. */
export function auditHealth(deps: {
  readonly store: Pick<Store, 'report'>;
  readonly clock: Pick<Clock, 'nowMs'>;
}): AuditHealth {
  let last: (Verification & { readonly atMs: number }) | null = null;
  return {
    async check() {
      const atMs = deps.clock.nowMs();
      last = { ...(await deps.store.report((reader) => verifyAudit(reader))), atMs };
    },
    part: {
      name: 'audit',
      title: 'Audit log',
      async findings() {
        if (last === null || last.ok) return [];
        const { firstBroken } = last;
        return [
          {
            id: 'audit.broken',
            severity: 'error',
            evidence: `The audit log was changed past the hub: entry ${firstBroken?.seq ?? '?'} is not as it was written (${firstBroken?.flaw ?? 'unknown'}).`,
            fix: 'Find out who had access to the box or its backups. Compare with a backup, and write down what you find: the log before that entry is whole.',
          },
        ];
      },
      figures: async () => [
        { name: 'entries', title: 'Entries verified', unit: 'count', value: last?.entries ?? null },
        { name: 'isWhole', title: 'Whole', unit: 'yesNo', value: last?.ok ?? null },
        { name: 'verifiedAt', title: 'Last verified', unit: 'time', value: last?.atMs ?? null },
      ],
      metrics: [
        {
          kind: 'gauge',
          name: 'audit_chain_whole',
          help: '1: the audit log was whole at its last verification',
          read: () => (last === null ? [] : [{ value: last.ok ? 1 : 0 }]),
        },
      ],
    },
  };
}
