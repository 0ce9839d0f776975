import { Durations } from '#hub/platform/health/metric.ts';

/** What the store counts of itself since it was opened. */
export class StoreFigures {
  /** From the asking for a transaction to its first statement. */
  readonly writeWaits = new Durations();
  /** From the first statement to the end of the commit, or of the rollback. */
  readonly writes = new Durations();
  /** Reads on the main thread, one by one: the loop stands still meanwhile. */
  readonly reads = new Durations();
  /** From the asking for a report to its end, waiting included. */
  readonly reports = new Durations();
  waitingWrites = 0;
  /** Each syncs the disk; transactions that waited for each other share one. */
  commits = 0;
  waitingReports = 0;
  /** Refused because too many waited already. */
  refusedWrites = 0;
  refusedReports = 0;
  /** Transactions that found no room on the disk. */
  diskFullWrites = 0;
  /** Whether the last transaction that wrote something found no room. */
  isDiskFull = false;
}
