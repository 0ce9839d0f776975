import { X509Certificate } from 'node:crypto';
import type { Finding } from '#hub/kernel/finding.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { Clock } from '../clock/clock.ts';
import type { HealthPart } from '../health/health-part.ts';

/** It is made anew 30 days before its end: with less left than this, that does not work. */
const serverDueMs = 25 * dayMs;
const urgentMs = 7 * dayMs;

/** Expiry of the server's certificate, UTC ms. */
export function certificateFindings(endsMs: number, nowMs: number): readonly Finding[] {
  const leftMs = endsMs - nowMs;
  if (leftMs >= serverDueMs) return [];
  const days = Math.floor(Math.abs(leftMs) / dayMs);
  const isOver = leftMs <= 0;
  return [
    {
      id: 'tls.expires',
      severity: leftMs < urgentMs ? 'error' : 'warning',
      evidence: isOver
        ? `The certificate of the page ended ${days} days ago: browsers on the network refuse it.`
        : `The certificate of the page ends in ${days} days and was not made anew, as it should have been.`,
      fix: "Check that the box's time is right and its disk is not full, then restart the hub: it makes another. On the box itself the page works by http://localhost.",
    },
  ];
}

export function tlsHealth(
  tls: { current(): { readonly cert: string } },
  clock: Pick<Clock, 'nowMs'>,
): HealthPart {
  let read: { cert: string; endsMs: number } | null = null;
  const endsMs = (): number => {
    const { cert } = tls.current();
    if (read?.cert !== cert) read = { cert, endsMs: new X509Certificate(cert).validToDate.getTime() };
    return read.endsMs;
  };
  return {
    name: 'tls',
    title: 'Certificate',
    findings: async () => certificateFindings(endsMs(), clock.nowMs()),
    figures: async () => [{ name: 'endsAt', title: 'Ends', unit: 'time', value: endsMs() }],
    metrics: [
      {
        kind: 'gauge',
        name: 'tls_certificate_expiry_timestamp_seconds',
        help: 'When the certificate of the page ends, seconds since 1970',
        read: () => [{ value: endsMs() / 1000 }],
      },
    ],
  };
}
