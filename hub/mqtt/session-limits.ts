import { dayMs } from '#hub/kernel/time.ts';
/** Limits of the broker's storage. Reaching one is counted and becomes a finding. */
export interface SessionLimits {
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly retainedMessagesPerDevice: number;
  readonly retainedBytesPerDevice: number;
  /** Messages and bytes that wait for one client, and for all together. */
  readonly queuedPerClient: number;
  readonly queuedBytesPerClient: number;
  readonly queuedBytes: number;
  /** A message waits no longer. */
  readonly queuedMs: number;
  /** Sessions (client ids that connected with "clean session" off) of one device, and in all. */
  readonly sessionsPerDevice: number;
  readonly sessions: number;
  /** A session that nobody came back to is forgotten. */
  readonly sessionMs: number;
  readonly subscriptionsPerClient: number;
}

const mebibyte = 1_048_576;

export const sessionLimits: SessionLimits = {
  retainedMessages: 5000,
  retainedBytes: 4 * mebibyte,
  retainedMessagesPerDevice: 1250,
  retainedBytesPerDevice: mebibyte / 2,
  queuedPerClient: 1000,
  queuedBytesPerClient: mebibyte,
  queuedBytes: 16 * mebibyte,
  queuedMs: 7 * dayMs,
  sessionsPerDevice: 8,
  sessions: 500,
  sessionMs: 7 * dayMs,
  subscriptionsPerClient: 64,
};

/** Drops since the start. */
export interface SessionDrops {
  retained: number;
  queued: number;
  expired: number;
  sessions: number;
}

/**
 * Decides which topics are stored; the first match counts. Door controllers count and acknowledge by themselves, on
 * a broker of their own that keeps nothing; `$SYS` is news of this run.
 */
export const keepingPolicy: readonly { readonly prefix: string; readonly keeps: boolean }[] = [
  { prefix: '$', keeps: false },
  { prefix: 'mc/', keeps: false },
  { prefix: '', keeps: true },
];

export const isKept = (topic: string): boolean =>
  keepingPolicy.find(({ prefix }) => topic.startsWith(prefix))?.keeps ?? false;
