import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  createEventEnvelope,
  type DsnComponents,
  dsnFromString,
  getEnvelopeEndpointWithUrlEncodedAuth,
  isRateLimited,
  type RateLimits,
  serializeEnvelope,
  updateRateLimits,
} from '@sentry/core';
import type { Finding } from '#hub/kernel/finding.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { HealthPart } from '../health/health-part.ts';
import { secondsInWords } from '../units.ts';
import type { ErrorPlace, ErrorReportOptions, ErrorReports } from './error-report.ts';
import { type ErrorEvent, errorToEvent } from './error-report-event.ts';
import { ErrorSpool } from './error-report-spool.ts';

const requestTimeoutMs = 10_000;
const firstRetryMs = 30_000;
const maxRetryMs = 60 * 60_000;
/** New reports a minute, and one of a kind in ten: a loop that fails must not become a flood. */
const maxPerMinute = 10;
const sameKindMs = 10 * 60_000;
const maxKinds = 200;
const waitingTooLongMs = 24 * 60 * 60_000;

/** Situations of the box that are findings already, and no bugs. */
const knownSituations = new Set(['storeBusy', 'storeClosed', 'diskFull']);
const isKnownSituation = (error: unknown): boolean =>
  error instanceof Fault && knownSituations.has(error.code);

interface Answer {
  readonly status: number;
  readonly headers: { readonly 'retry-after': string | null; readonly 'x-sentry-rate-limits': string | null };
}

function post(url: string, body: string | Uint8Array, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const call = send(
      url,
      {
        method: 'POST',
        timeout: requestTimeoutMs,
        signal,
        headers: {
          'content-type': 'application/x-sentry-envelope',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.once('error', reject);
        response.once('end', () => {
          const header = (name: string): string | null => {
            const value = response.headers[name];
            return typeof value === 'string' ? value : null;
          };
          resolve({
            status: response.statusCode ?? 0,
            headers: {
              'retry-after': header('retry-after'),
              'x-sentry-rate-limits': header('x-sentry-rate-limits'),
            },
          });
        });
      },
    );
    call.once('timeout', () => call.destroy(new Error('no answer in time')));
    call.once('error', reject);
    call.end(body);
  });
}

/** Admits the first report of a kind and counts the repetitions; the next one of that kind carries the count. */
class KindGate {
  readonly #kinds = new Map<string, { toldAtMs: number; alike: number }>();
  #minute = { startMs: 0, told: 0 };

  /** Returns how many repetitions were held back before it; null when this one is held back too. */
  admit(kind: string, nowMs: number): number | null {
    const known = this.#kinds.get(kind);
    if (known !== undefined && Math.abs(nowMs - known.toldAtMs) < sameKindMs) {
      known.alike += 1;
      return null;
    }
    if (Math.abs(nowMs - this.#minute.startMs) >= 60_000) this.#minute = { startMs: nowMs, told: 0 };
    if (this.#minute.told >= maxPerMinute) return null;
    this.#minute.told += 1;
    this.#kinds.delete(kind);
    const [oldest] = this.#kinds.keys();
    if (this.#kinds.size >= maxKinds && oldest !== undefined) this.#kinds.delete(oldest);
    this.#kinds.set(kind, { toldAtMs: nowMs, alike: 0 });
    return known?.alike ?? 0;
  }
}

function findingsOf(state: {
  readonly waiting: number;
  readonly oldestAgeMs: number;
  readonly rejectedStatus: number | null;
}): readonly Finding[] {
  const found: Finding[] = [];
  if (state.rejectedStatus !== null)
    found.push({
      id: 'errorReports.rejected',
      severity: 'warning',
      evidence: `The service for error reports refuses them (status ${state.rejectedStatus}).`,
      fix: 'Correct errorReporting.dsn, or remove it. The hub itself is not affected.',
    });
  if (state.waiting > 0 && state.oldestAgeMs > waitingTooLongMs)
    found.push({
      id: 'errorReports.waiting',
      severity: 'info',
      evidence: `${state.waiting} error reports wait to be sent, the oldest for ${secondsInWords(state.oldestAgeMs / 1000)}.`,
      fix: 'They are sent by themselves when the box has internet; after a week they are given up.',
    });
  return found;
}

/** Reports over Sentry's envelope protocol, by way of a spool on the disk. */
export function createSentryReports(options: ErrorReportOptions): ErrorReports {
  const reports = new SentryReports(options);
  reports.sendSoon();
  return reports;
}

class SentryReports implements ErrorReports {
  readonly #options: ErrorReportOptions;
  readonly #dsn: DsnComponents;
  readonly #url: string;
  readonly #spool: ErrorSpool;
  readonly #gate = new KindGate();
  readonly #firstRetryMs: number;
  readonly #ended = new AbortController();
  #limits: RateLimits = {};
  #retryMs: number;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | null = null;
  /** An event was added while another was being sent. */
  #hasMore = false;
  #sent = 0;
  #rejectedStatus: number | null = null;

  constructor(options: ErrorReportOptions) {
    const dsn = dsnFromString(options.dsn.reveal());
    assert(dsn !== undefined, 'the configuration checks the form of the DSN');
    this.#options = options;
    this.#dsn = dsn;
    this.#url = getEnvelopeEndpointWithUrlEncodedAuth(dsn);
    this.#spool = new ErrorSpool(options.directory);
    this.#firstRetryMs = options.retryMs ?? firstRetryMs;
    this.#retryMs = this.#firstRetryMs;
  }

  report(error: unknown, place: ErrorPlace): void {
    if (this.#ended.signal.aborted || isKnownSituation(error)) return;
    try {
      this.#spoolEvent(error, place, 'error');
      this.sendSoon();
    } catch (cause) {
      this.#options.log.warn({ err: cause }, 'an error could not be reported');
    }
  }

  keep(error: unknown, place: ErrorPlace): void {
    try {
      this.#spoolEvent(error, place, 'fatal');
    } catch {
      // The process is dying of something else.
    }
  }

  readonly part: HealthPart = {
    name: 'errorReports',
    title: 'Error reports',
    findings: async () => {
      const oldest = this.#spool.oldestAtMs();
      return findingsOf({
        waiting: this.#spool.count(),
        oldestAgeMs: oldest === null ? 0 : this.#options.clock.nowMs() - oldest,
        rejectedStatus: this.#rejectedStatus,
      });
    },
    figures: async () => [
      { name: 'waiting', title: 'Waiting', unit: 'count', value: this.#spool.count() },
      { name: 'sent', title: 'Sent', unit: 'count', value: this.#sent },
      { name: 'dropped', title: 'Given up', unit: 'count', value: this.#spool.dropped },
    ],
    metrics: [
      {
        kind: 'gauge',
        name: 'error_reports_waiting',
        help: 'Error reports on the disk that were not sent yet',
        read: () => [{ value: this.#spool.count() }],
      },
      {
        kind: 'counter',
        name: 'error_reports_total',
        help: 'Error reports by what became of them',
        read: () => [
          { labels: { outcome: 'sent' }, value: this.#sent },
          { labels: { outcome: 'dropped' }, value: this.#spool.dropped },
        ],
      },
    ],
  };

  async close(): Promise<void> {
    this.#ended.abort();
    clearTimeout(this.#timer);
    await this.#sending;
  }

  sendSoon(): void {
    if (this.#ended.signal.aborted) return;
    if (this.#sending !== null) {
      this.#hasMore = true;
      return;
    }
    this.#hasMore = false;
    this.#sending = this.#drain()
      .catch((cause: unknown) => {
        this.#options.log.debug({ err: cause }, 'error reports wait: the service cannot be reached');
        this.#hasMore = false;
        this.#sendLater();
      })
      .finally(() => {
        this.#sending = null;
        if (this.#hasMore) this.sendSoon();
      });
  }

  #sendLater(): void {
    if (this.#ended.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.sendSoon(), this.#retryMs);
    this.#timer.unref();
    this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs);
  }

  async #drain(): Promise<void> {
    while (!this.#ended.signal.aborted && !isRateLimited(this.#limits, 'error')) {
      const next = this.#spool.first(this.#options.clock.nowMs());
      if (next === null) return;
      if (!(await this.#sendOne(next.event))) break;
      this.#spool.remove(next.name);
      this.#retryMs = this.#firstRetryMs;
    }
    this.#hasMore = false;
    this.#sendLater();
  }

  /** Returns whether the event is done with: sent, or rejected for good. */
  async #sendOne(event: ErrorEvent): Promise<boolean> {
    const envelope = serializeEnvelope(createEventEnvelope(event, this.#dsn));
    const answer = await post(this.#url, envelope, this.#ended.signal);
    this.#limits = updateRateLimits(this.#limits, { statusCode: answer.status, headers: answer.headers });
    if (answer.status < 300) {
      this.#sent += 1;
      this.#rejectedStatus = null;
      return true;
    }
    if (answer.status === 429 || answer.status >= 500) return false;
    this.#rejectedStatus = answer.status;
    return true;
  }

  #spoolEvent(error: unknown, place: ErrorPlace, level: ErrorEvent['level']): void {
    const nowMs = this.#options.clock.nowMs();
    const event = errorToEvent(error, { ...this.#options, place, level, nowMs });
    const alike = this.#gate.admit(event.fingerprint.join(' '), nowMs);
    if (alike !== null) this.#spool.add({ ...event, tags: { ...event.tags, alike } });
  }
}
