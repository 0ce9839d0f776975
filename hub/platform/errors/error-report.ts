import type { Clock } from '../clock/clock.ts';
import type { Secret } from '../config/secret.ts';
import type { HealthPart } from '../health/health-part.ts';
import type { Logger } from '../log.ts';

/** Place of an error in the hub's own terms: a route's template, a chore's name. Never user input. */
export interface ErrorPlace {
  readonly where: string;
  /** Finds the request in the hub's log, which stays here. */
  readonly requestId?: string;
}

/** Tells whoever maintains the hub of faults and bugs. Never throws and never waits. */
export interface ErrorReports {
  report(error: unknown, place: ErrorPlace): void;
  /** For the error that ends the process: it is on the disk when this returns, and sent after the next start. */
  keep(error: unknown, place: ErrorPlace): void;
  readonly part: HealthPart;
  close(): Promise<void>;
}

export interface ErrorReportOptions {
  /** Of a service that speaks Sentry's protocol: `https://key@host/project`. */
  readonly dsn: Secret;
  readonly environment: string;
  readonly release: string;
  /** Stack frames are named relative to it; frames from elsewhere are left out. */
  readonly root: string;
  /** Private; reports wait there while the service cannot be reached. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  /** The first wait before another try; it doubles, up to an hour. 30 s unless told. */
  readonly retryMs?: number;
}
