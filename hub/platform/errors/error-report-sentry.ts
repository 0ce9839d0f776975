import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  createEventEnvelope,
  dsnFromString,
  getEnvelopeEndpointWithUrlEncodedAuth,
  isRateLimited,
  type RateLimits,
  serializeEnvelope,
  updateRateLimits,
} from '@sentry/core';
import type { Finding } from '#hub/kernel/finding.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
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

/** Lets the first of a kind through and counts the others, which the next one of the kind tells of. */
class KindGate {
  readonly #kinds = new Map<string, { toldAtMs: number; alike: number }>();
  #minute = { startMs: 0, told: 0 };

  /** How many like it were not told; null when this one is not to be told either. */
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
  const { clock, log } = options;
  const dsn = dsnFromString(options.dsn.reveal());
  assert(dsn !== undefined, 'the configuration checks the form of the DSN');
  const url = getEnvelopeEndpointWithUrlEncodedAuth(dsn);
  const spool = new ErrorSpool(options.directory);
  const gate = new KindGate();
  const firstMs = options.retryMs ?? firstRetryMs;
  let limits: RateLimits = {};
  let retryMs = firstMs;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | null = null;
  const ended = new AbortController();
  /** Something was added while another was being sent. */
  let hasMore = false;
  let sent = 0;
  let rejectedStatus: number | null = null;

  /** True: it is done with, whatever became of it. */
  async function sendOne(event: ErrorEvent): Promise<boolean> {
    const answer = await post(url, serializeEnvelope(createEventEnvelope(event, dsn)), ended.signal);
    limits = updateRateLimits(limits, { statusCode: answer.status, headers: answer.headers });
    if (answer.status < 300) {
      sent += 1;
      rejectedStatus = null;
      return true;
    }
    if (answer.status === 429 || answer.status >= 500) return false;
    rejectedStatus = answer.status;
    return true;
  }

  async function drain(): Promise<void> {
    while (!ended.signal.aborted && !isRateLimited(limits, 'error')) {
      const next = spool.first(clock.nowMs());
      if (next === null) return;
      if (!(await sendOne(next.event))) break;
      spool.remove(next.name);
      retryMs = firstMs;
    }
    hasMore = false;
    sendLater();
  }

  function sendLater(): void {
    if (ended.signal.aborted) return;
    clearTimeout(timer);
    timer = setTimeout(sendSoon, retryMs);
    timer.unref();
    retryMs = Math.min(retryMs * 2, maxRetryMs);
  }

  function sendSoon(): void {
    if (ended.signal.aborted) return;
    if (sending !== null) {
      hasMore = true;
      return;
    }
    hasMore = false;
    sending = drain()
      .catch((cause: unknown) => {
        log.debug({ err: cause }, 'error reports wait: the service cannot be reached');
        hasMore = false;
        sendLater();
      })
      .finally(() => {
        sending = null;
        if (hasMore) sendSoon();
      });
  }

  function spoolIt(error: unknown, place: ErrorPlace, level: ErrorEvent['level']): void {
    const event = errorToEvent(error, { ...options, place, level, nowMs: clock.nowMs() });
    const alike = gate.admit(event.fingerprint.join(' '), clock.nowMs());
    if (alike !== null) spool.add({ ...event, tags: { ...event.tags, alike } });
  }

  sendSoon();
  return {
    report(error, place) {
      if (ended.signal.aborted || isKnownSituation(error)) return;
      try {
        spoolIt(error, place, 'error');
        sendSoon();
      } catch (cause) {
        log.warn({ err: cause }, 'an error could not be reported');
      }
    },
    keep(error, place) {
      try {
        spoolIt(error, place, 'fatal');
      } catch {
        // The process is dying of something else.
      }
    },
    part: {
      name: 'errorReports',
      title: 'Error reports',
      async findings() {
        const oldest = spool.oldestAtMs();
        return findingsOf({
          waiting: spool.count(),
          oldestAgeMs: oldest === null ? 0 : clock.nowMs() - oldest,
          rejectedStatus,
        });
      },
      figures: async () => [
        { name: 'waiting', title: 'Waiting', unit: 'count', value: spool.count() },
        { name: 'sent', title: 'Sent', unit: 'count', value: sent },
        { name: 'dropped', title: 'Given up', unit: 'count', value: spool.dropped },
      ],
      metrics: [
        {
          kind: 'gauge',
          name: 'error_reports_waiting',
          help: 'Error reports on the disk that were not sent yet',
          read: () => [{ value: spool.count() }],
        },
        {
          kind: 'counter',
          name: 'error_reports_total',
          help: 'Error reports by what became of them',
          read: () => [
            { labels: { outcome: 'sent' }, value: sent },
            { labels: { outcome: 'dropped' }, value: spool.dropped },
          ],
        },
      ],
    },
    async close() {
      ended.abort();
      clearTimeout(timer);
      await sending;
    },
  };
}
