import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Figure, HealthPart } from '#hub/platform/health/health-part.ts';
import type { Metric } from '#hub/platform/health/metric.ts';
import type { SyncStatus } from '../schema.ts';
import type { Sync } from '../sync.ts';
import { findSyncFindings } from './finding-rules.ts';

/** Findings and figures of replication. Metrics are up to 30 s old. */
export function syncHealth(sync: Pick<Sync, 'status'>, clock: Pick<Clock, 'nowMs'>): HealthPart {
  let seen: SyncStatus | null = null;
  const look = async (): Promise<SyncStatus> => {
    seen = await sync.status();
    return seen;
  };
  const gauge = (name: string, help: string, valueOf: (status: SyncStatus) => number | null): Metric => ({
    kind: 'gauge',
    name,
    help,
    read() {
      const value = seen === null || seen.link === null ? null : valueOf(seen);
      return value === null ? [] : [{ value }];
    },
  });
  return {
    name: 'sync',
    title: 'Replication with the centre',
    findings: async () => findSyncFindings(await look(), clock.nowMs()),
    figures: async () => figuresOf(await look()),
    metrics: [
      gauge('sync_outbox_rows', 'Changes that the centre has not got yet', ({ outbox }) => outbox.waiting),
      gauge('sync_inbox_rows', 'Changes of the centre that are not here yet', ({ inbox }) => inbox.waiting),
      gauge('sync_last_success_timestamp_seconds', 'When a round last went through', ({ lastSuccessAt }) =>
        lastSuccessAt === null ? null : Date.parse(lastSuccessAt) / 1000,
      ),
      gauge('sync_sent_rows_per_minute', 'Over the last minute', ({ outbox }) => outbox.sentPerMinute),
      gauge('sync_received_rows_per_minute', 'Over the last minute', ({ inbox }) => inbox.receivedPerMinute),
      gauge('sync_dead_letters', 'Changes that one side could not take', ({ deadLetters }) => deadLetters),
      gauge('sync_conflicts', 'Conflicts that nobody has settled', ({ conflicts }) => conflicts),
    ],
  };
}

function figuresOf({ link, lastSuccessAt, outbox, inbox, deadLetters, conflicts }: SyncStatus): Figure[] {
  if (link === null) return [{ name: 'isLinked', title: 'Linked', unit: 'yesNo', value: false }];
  return [
    { name: 'centre', title: 'Centre', unit: 'text', value: link.centre },
    {
      name: 'lastSuccess',
      title: 'Last heard',
      unit: 'time',
      value: lastSuccessAt === null ? null : Date.parse(lastSuccessAt),
    },
    { name: 'outboxCount', title: 'Changes to be sent', unit: 'count', value: outbox.waiting },
    { name: 'inboxCount', title: 'Changes to be taken in', unit: 'count', value: inbox.waiting },
    { name: 'deadLetterCount', title: 'Could not be taken', unit: 'count', value: deadLetters },
    { name: 'conflictCount', title: 'Conflicts', unit: 'count', value: conflicts },
  ];
}
