// How deliveries of webhooks go on: when again, when given up, when their target is left alone.

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Waits after each failed attempt; after the last of them there is one more attempt. About 36 hours in all. */
export const retryDelaysMs: readonly number[] = [
  5_000,
  30_000,
  2 * minuteMs,
  10 * minuteMs,
  hourMs,
  3 * hourMs,
  8 * hourMs,
  24 * hourMs,
];
/** A target may ask for at most so long. */
const maxRetryAfterMs = 24 * hourMs;
/** No wait reaches further: one that does was written by a clock that ran ahead, and is over. */
export const longestWaitMs = 30 * hourMs;

/** Attempts in a row, over at least this time, after which a target is left alone. */
const pausesAtFailures = 20;
const pausesAfterMs = 15 * minuteMs;
/** A paused target gets one delivery in this time, to see whether it is back. */
const probeEveryMs = hourMs;
const slotsOfHealthy = 4;

/** Why an attempt failed, or why a delivery was given up. */
export const deliveryProblems = [
  'status',
  'redirected',
  'gone',
  'timedOut',
  'nameNotFound',
  'addressRefused',
  'connectionFailed',
  'tlsFailed',
  'queueFull',
  'tooOld',
] as const;
export type DeliveryProblem = (typeof deliveryProblems)[number];

/** What came of one attempt. */
export type AttemptOutcome =
  | { readonly kind: 'delivered'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly problem: DeliveryProblem;
      /** HTTP status; null when there was no answer. */
      readonly status: number | null;
      /** What the target asked for, ms from now. */
      readonly retryAfterMs: number | null;
      /** The beginning of the answer, or what the connection met. */
      readonly detail: string | null;
    };

/** The outcome by the answer's status. 410 is the target's word that it is gone for good. */
export function answerToOutcome(answer: {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly excerpt: string | null;
  readonly nowMs: number;
}): AttemptOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  const problem = status === 410 ? 'gone' : status >= 300 && status < 400 ? 'redirected' : 'status';
  const retryAfterMs = readRetryAfter(answer.retryAfter, answer.nowMs);
  return { kind: 'failed', problem, status, retryAfterMs, detail: answer.excerpt };
}

/** `Retry-After` (RFC 9110, 10.2.3) in seconds or as a date -> ms from now, at most a day; null without a usable one. */
export function readRetryAfter(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) && waitMs > 0 ? Math.min(waitMs, maxRetryAfterMs) : null;
}

/**
 * How long to wait after the failed attempt with this number (from 1 on); null: that was the last.
 * @param random 0 .. 1, spreads the waits by a fifth to both sides
 */
export function retryDelayMs(attempt: number, retryAfterMs: number | null, random: number): number | null {
  const delayMs = retryDelaysMs[attempt - 1];
  if (delayMs === undefined) return null;
  return Math.round(Math.max(delayMs * (0.8 + 0.4 * random), retryAfterMs ?? 0));
}

/** How it goes with a webhook's target. */
export interface WebhookStatus {
  readonly failures: number;
  readonly failingSinceMs: number | null;
  readonly lastSuccessAtMs: number | null;
  /** In words. */
  readonly lastFailure: string | null;
  readonly pausedAtMs: number | null;
  /** Nothing goes out before. */
  readonly holdUntilMs: number | null;
  /** The target itself ended it. */
  readonly ended: 'gone' | null;
  /** Deliveries that were given up because the queue was full, since somebody last dealt with the dead letters. */
  readonly overflowed: number;
  /** Dead letters that gave way to newer ones. */
  readonly discarded: number;
}
export const freshStatus: WebhookStatus = {
  failures: 0,
  failingSinceMs: null,
  lastSuccessAtMs: null,
  lastFailure: null,
  pausedAtMs: null,
  holdUntilMs: null,
  ended: null,
  overflowed: 0,
  discarded: 0,
};

/** The status of a target that is tried anew, whatever it did before. */
export const retriedStatus = (status: WebhookStatus): WebhookStatus => ({
  ...freshStatus,
  lastSuccessAtMs: status.lastSuccessAtMs,
  overflowed: status.overflowed,
  discarded: status.discarded,
});

/** The status after an attempt. */
export function decideStatus(status: WebhookStatus, outcome: AttemptOutcome, nowMs: number): WebhookStatus {
  if (outcome.kind === 'delivered') return { ...retriedStatus(status), lastSuccessAtMs: nowMs };
  const failures = status.failures + 1;
  // A clock that was set back must not let it look as if it had only just begun.
  const failingSinceMs = Math.min(status.failingSinceMs ?? nowMs, nowMs);
  const pauses = failures >= pausesAtFailures && nowMs - failingSinceMs >= pausesAfterMs;
  const pausedAtMs = status.pausedAtMs ?? (pauses ? nowMs : null);
  // Too many requests, or not now: that is meant for everything that we send there.
  const asksForPeace = outcome.status === 429 || outcome.status === 503;
  const askedUntilMs = asksForPeace && outcome.retryAfterMs !== null ? nowMs + outcome.retryAfterMs : null;
  return {
    ...status,
    failures,
    failingSinceMs,
    pausedAtMs,
    lastFailure: describeFailure(outcome.problem, outcome.status),
    holdUntilMs: pausedAtMs === null ? askedUntilMs : Math.max(nowMs + probeEveryMs, askedUntilMs ?? 0),
    ended: outcome.problem === 'gone' ? 'gone' : status.ended,
  };
}

/** How many deliveries may be under way to one target at once; 0 while it is left alone. */
export function slotsOf(status: WebhookStatus, nowMs: number): number {
  if (status.ended !== null || isHeld(status, nowMs)) return 0;
  return status.failures > 2 ? 1 : slotsOfHealthy;
}

const isHeld = ({ holdUntilMs }: WebhookStatus, nowMs: number): boolean =>
  holdUntilMs !== null && holdUntilMs > nowMs && holdUntilMs - nowMs <= longestWaitMs;

const problemWords: Readonly<Record<DeliveryProblem, string>> = {
  status: 'The target did not accept it',
  redirected: 'The target answered with a redirect, which is not followed: enter the final address',
  gone: 'The target said that it is gone for good',
  timedOut: 'The target did not answer in time',
  nameNotFound: 'The target’s name could not be resolved',
  addressRefused: 'The target lies in a private network that the configuration does not allow',
  connectionFailed: 'No connection to the target could be made',
  tlsFailed: 'The target’s certificate could not be verified',
  queueFull: 'Too many deliveries waited; the oldest were given up',
  tooOld: 'It waited for too long',
};

/** Why an attempt failed, in words. */
export const describeFailure = (problem: DeliveryProblem, status: number | null): string =>
  status === null ? `${problemWords[problem]}.` : `${problemWords[problem]} (HTTP ${status}).`;
