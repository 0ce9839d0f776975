import { Durations } from '#hub/platform/health/metric.ts';

/** Counters of the store since it was opened. */
export class StoreFigures {
  /** From the request for a transaction to its first statement. */
  readonly writeWaits = new Durations();
  /** From the first statement to the end of the commit, or of the rollback. */
  readonly writes = new Durations();
  /** Reads on the main thread, one by one: the loop stands still meanwhile. */
  readonly reads = new Durations();
  /** From the request for a report to its end, waiting included. */
  readonly reports = new Durations();
  waitingWrites = 0;
  /** Each syncs the disk; transactions that waited for each other share one. */
  commits = 0;
  waitingReports = 0;
  /** Refused because too many waited already. */
  refusedWrites = 0;
  refusedReports = 0;
  /** Transactions that another program's lock kept from beginning. */
  lockedOutWrites = 0;
  /** True when the last transaction could not begin because another program holds the lock. */
  isLockedOut = false;
  /** Transactions that found no room on the disk. */
  diskFullWrites = 0;
  /** True when the last writing transaction failed for lack of disk space. */
  isDiskFull = false;
}
