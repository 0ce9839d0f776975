import { statSync } from 'node:fs';
import type { Finding } from '#hub/kernel/finding.ts';
import { Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { RecentCount } from '#hub/platform/health/recent-count.ts';
import { bytesInWords } from '#hub/platform/units.ts';
import type { Store } from '../store.ts';
import { findLockHolder, type LockHolder } from './lock-holder.ts';
import { findStoreFlaws, storeFileSizes } from './store-check.ts';
import type { StoreFigures } from './store-figures.ts';

const slowProbeMs = 1000;
const veryLargeLogBytes = 256 * 1024 * 1024;
/** A refusal counts as a finding for so long. */
const refusedKeptMs = 60 * 60_000;

const restore =
  'Stop the hub and restore a backup. Until then change nothing: what is not damaged stays readable, and the doors go on.';

/** Result of the last check of the whole store; in memory only, so null until the first check after a start. */
interface LastCheck {
  readonly atMs: number;
  readonly flaws: readonly string[];
}

interface StoreHealthDeps {
  readonly store: Pick<Store, 'transact' | 'report' | 'figures'>;
  readonly path: string;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
}

export interface StoreHealth {
  readonly part: HealthPart;
  /** Reads the whole store for damage; to be called daily. */
  check(): Promise<void>;
}

function refusalFindings(writes: number, reports: number): readonly Finding[] {
  const findings: Finding[] = [];
  if (writes > 0)
    findings.push({
      id: 'store.writesRefused',
      severity: 'warning',
      evidence: `${writes} changes were refused within the last hour because too many waited to be saved. Who asked was told to try again.`,
      fix: 'If nobody is importing much at the moment, the disk is slow or failing: look at the figures of the store, and try another card.',
    });
  if (reports > 0)
    findings.push({
      id: 'store.reportsRefused',
      severity: 'info',
      evidence: `${reports} reports or exports were refused within the last hour because too many ran.`,
      fix: 'Ask for them one after the other.',
    });
  return findings;
}

/** Probes that writes work: waits its turn in the queue and opens a transaction that writes nothing. */
async function probe(store: Pick<Store, 'transact'>): Promise<number> {
  const startedMs = performance.now();
  await store.transact('health.probe', async () => null);
  return performance.now() - startedMs;
}

function lockFinding(holder: LockHolder | null): Finding {
  const program = holder?.program ?? null;
  const who =
    holder === null ? 'Another program' : `Process ${holder.pid}${program === null ? '' : ` (${program})`}`;
  return {
    id: 'store.lockedByOther',
    severity: 'error',
    evidence: `${who} holds the lock of the store. Nothing can be saved meanwhile; doors open as before.`,
    fix: 'Close that program. What opens the file of the store itself, such as a database browser or a copy of the file, belongs on a stopped hub.',
  };
}

async function probeFindings(
  path: string,
  figures: Pick<StoreFigures, 'isLockedOut'>,
  probed: () => Promise<number>,
): Promise<readonly Finding[]> {
  try {
    const ms = await probed();
    if (ms < slowProbeMs) return [];
    return [
      {
        id: 'store.slow',
        severity: 'warning',
        evidence: `A change waits ${Math.round(ms)} ms before it is saved.`,
        fix: 'If nobody is importing much at the moment, the disk is slow or failing: try another card.',
      },
    ];
  } catch (error) {
    const code = error instanceof Fault ? error.code : 'unknown';
    if (code === 'storeBusy' && figures.isLockedOut) return [lockFinding(await findLockHolder(path))];
    const isDamaged = code === 'storeCorrupt';
    return [
      {
        id: 'store.notWritable',
        severity: 'error',
        evidence: `Nothing can be saved (${code}). Doors open as before.`,
        fix: isDamaged ? restore : 'Restart the hub; if it stays, send the log to whoever helps you.',
      },
    ];
  }
}

const logSize = (path: string): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
const databaseSize = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const storeMetrics = (figures: StoreFigures, path: string): NonNullable<HealthPart['metrics']> => [
  {
    kind: 'durations',
    name: 'store_write_wait_seconds',
    help: 'How long transactions waited for their turn',
    read: () => [{ durations: figures.writeWaits }],
  },
  {
    kind: 'durations',
    name: 'store_write_seconds',
    help: 'How long transactions ran, their commit included',
    read: () => [{ durations: figures.writes }],
  },
  {
    kind: 'durations',
    name: 'store_read_seconds',
    help: 'How long reads on the main thread took',
    read: () => [{ durations: figures.reads }],
  },
  {
    kind: 'durations',
    name: 'store_report_seconds',
    help: 'How long reports on the reader Worker took, waiting included',
    read: () => [{ durations: figures.reports }],
  },
  {
    kind: 'gauge',
    name: 'store_queue_length',
    help: 'Transactions and reports that wait or run',
    read: () => [
      { labels: { queue: 'writes' }, value: figures.waitingWrites },
      { labels: { queue: 'reports' }, value: figures.waitingReports },
    ],
  },
  {
    kind: 'counter',
    name: 'store_commits_total',
    help: 'Commits, each of which syncs the disk; transactions that waited for each other share one',
    read: () => [{ value: figures.commits }],
  },
  {
    kind: 'counter',
    name: 'store_refused_total',
    help: 'What was refused because too many waited',
    read: () => [
      { labels: { queue: 'writes' }, value: figures.refusedWrites },
      { labels: { queue: 'reports' }, value: figures.refusedReports },
    ],
  },
  {
    kind: 'counter',
    name: 'store_locked_out_total',
    help: 'Transactions that the lock of another program kept from beginning',
    read: () => [{ value: figures.lockedOutWrites }],
  },
  {
    kind: 'counter',
    name: 'store_disk_full_total',
    help: 'Transactions that found no room on the disk',
    read: () => [{ value: figures.diskFullWrites }],
  },
  {
    kind: 'gauge',
    name: 'store_size_bytes',
    help: 'Bytes of the database and of its write-ahead log',
    read: () => [
      { labels: { file: 'database' }, value: databaseSize(path) },
      { labels: { file: 'log' }, value: logSize(path) },
    ],
  },
];

export function storeHealth({ store, path, clock }: StoreHealthDeps): StoreHealth {
  const { figures } = store;
  const writeRefusals = new RecentCount(refusedKeptMs);
  const reportRefusals = new RecentCount(refusedKeptMs);
  let lastCheck: LastCheck | null = null;
  let probeMs: number | null = null;

  function standing(): readonly Finding[] {
    const found: Finding[] = [];
    if (figures.isDiskFull)
      found.push({
        id: 'store.diskFull',
        severity: 'error',
        evidence:
          'The last change found no room on the disk and was refused. Nothing is half-written, pages show everything, and doors open as before.',
        fix: 'Free space on the disk; the next change is saved again.',
      });
    const logBytes = logSize(path);
    if (logBytes > veryLargeLogBytes)
      found.push({
        id: 'store.logLarge',
        severity: 'warning',
        evidence: `${bytesInWords(logBytes)} of changes wait beside the store: a report that runs for long keeps them from being put in.`,
        fix: 'Wait for running reports and exports. If it stays, restart the hub.',
      });
    if (lastCheck !== null && lastCheck.flaws.length > 0)
      found.push({
        id: 'store.damaged',
        severity: 'error',
        evidence: `The store is damaged: ${lastCheck.flaws.join('; ')}`,
        fix: restore,
      });
    return found;
  }

  return {
    async check() {
      const atMs = clock.nowMs();
      try {
        lastCheck = { atMs, flaws: await findStoreFlaws(store) };
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'storeCorrupt') throw error;
        lastCheck = { atMs, flaws: ['a part of it cannot be read'] };
      }
    },
    part: {
      name: 'store',
      title: 'Store',
      async findings() {
        const nowMs = clock.monotonicMs();
        return [
          ...standing(),
          ...refusalFindings(
            writeRefusals.update(figures.refusedWrites, nowMs),
            reportRefusals.update(figures.refusedReports, nowMs),
          ),
          ...(await probeFindings(path, figures, async () => (probeMs = await probe(store)))),
        ];
      },
      async figures() {
        const { databaseBytes, logBytes } = await storeFileSizes(path);
        const rounded = (ms: number | null): number | null => (ms === null ? null : Math.round(ms * 10) / 10);
        return [
          { name: 'databaseBytes', title: 'Size', unit: 'bytes', value: databaseBytes },
          { name: 'logBytes', title: 'Changes not yet put in', unit: 'bytes', value: logBytes },
          { name: 'waitingWrites', title: 'Changes waiting', unit: 'count', value: figures.waitingWrites },
          { name: 'waitingReports', title: 'Reports waiting', unit: 'count', value: figures.waitingReports },
          { name: 'writeProbeMs', title: 'Wait of a change', unit: 'milliseconds', value: rounded(probeMs) },
          {
            name: 'writeMeanMs',
            title: 'A change takes, on average',
            unit: 'milliseconds',
            value: rounded(figures.writes.meanMs()),
          },
          { name: 'checkedAt', title: 'Last check for damage', unit: 'time', value: lastCheck?.atMs ?? null },
          {
            name: 'isWhole',
            title: 'Whole at that check',
            unit: 'yesNo',
            value: lastCheck === null ? null : lastCheck.flaws.length === 0,
          },
        ];
      },
      metrics: storeMetrics(figures, path),
    },
  };
}
