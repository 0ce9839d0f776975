import type { Finding } from '#hub/kernel/finding.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { RecentCount } from '#hub/platform/health/recent-count.ts';
import type { LiveEvents } from './live-events.ts';

const keptMs = 60 * 60_000;

function lostFindings(tooSlow: number, noRoom: number): readonly Finding[] {
  const found: Finding[] = [];
  if (tooSlow > 0)
    found.push({
      id: 'live.tooSlow',
      severity: 'info',
      evidence: `${tooSlow} live connections were ended within the last hour because their reader did not keep up. A page connects again and loads anew by itself.`,
      fix: 'If it goes on: look for a device with a bad wireless connection, or a program that reads events and hangs.',
    });
  if (noRoom > 0)
    found.push({
      id: 'live.noRoom',
      severity: 'warning',
      evidence: `${noRoom} pages found no room for a live connection within the last hour; they are not updated by themselves.`,
      fix: 'Close pages that nobody looks at; the log names accounts that had all of their share. Or raise live.maxConnections or live.maxConnectionsPerAccount in hub.yaml.',
    });
  return found;
}

/** The live connections of pages and programs. */
export function liveHealth(
  live: Pick<LiveEvents, 'connectionCount' | 'lost'>,
  clock: Pick<Clock, 'monotonicMs'>,
): HealthPart {
  const tooSlow = new RecentCount(keptMs);
  const noRoom = new RecentCount(keptMs);
  return {
    name: 'live',
    title: 'Live pages',
    findings: async () =>
      lostFindings(
        tooSlow.update(live.lost.tooSlow, clock.monotonicMs()),
        noRoom.update(live.lost.noRoom, clock.monotonicMs()),
      ),
    figures: async () => [
      { name: 'connections', title: 'Connected now', unit: 'count', value: live.connectionCount() },
    ],
    metrics: [
      {
        kind: 'gauge',
        name: 'live_connections',
        help: 'Live connections of pages and programs',
        read: () => [{ value: live.connectionCount() }],
      },
      {
        kind: 'counter',
        name: 'live_connections_lost_total',
        help: 'Live connections that were ended or refused',
        read: () => [
          { labels: { reason: 'tooSlow' }, value: live.lost.tooSlow },
          { labels: { reason: 'noRoom' }, value: live.lost.noRoom },
        ],
      },
    ],
  };
}
