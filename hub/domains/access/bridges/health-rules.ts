import type { Finding } from '#hub/kernel/finding.ts';
import { type ReaderFacts, readerFindings } from '../readers/health-rules.ts';
import type { Bridge } from './schema.ts';

const minuteMs = 60_000;
/** A restart of a door controller takes less. */
const offlineAfterMs = minuteMs;
/** A day without it: events of the doors and changes of rights pile up unseen. */
const longOfflineMs = 24 * 60 * minuteMs;
/** A new controller has so long to come for the first time before it is more than a note. */
const firstContactMs = 60 * minuteMs;
const pendingAfterMs = 5 * minuteMs;
/** Events that a connected controller has and the hub does not: it catches up at some thousand a second. */
const backlogEvents = 5000;
export interface BridgeFacts {
  readonly bridge: Pick<
    Bridge,
    'id' | 'name' | 'createdAt' | 'connected' | 'lastSeenAt' | 'policy' | 'journal' | 'findings'
  >;
  readonly readers: readonly ReaderFacts[];
  /** UTC ms since when its policy is behind although it is connected; null when it is not. */
  readonly pendingSinceMs: number | null;
  /** UTC ms since when the hub runs: a controller comes back some seconds after its hub. */
  readonly hubSinceMs: number;
}

const minutesInWords = (ms: number): string => {
  const minutes = Math.floor(ms / minuteMs);
  if (minutes < 120) return `${minutes} minute${minutes === 1 ? '' : 's'}`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} hours` : `${Math.floor(minutes / 1440)} days`;
};

function connectionFindings({ bridge, hubSinceMs }: BridgeFacts, nowMs: number): readonly Finding[] {
  if (bridge.connected) return [];
  if (bridge.lastSeenAt === null) {
    const isLate = nowMs - Date.parse(bridge.createdAt) >= firstContactMs;
    return [
      {
        id: `bridge.neverConnected:${bridge.id}`,
        severity: isLate ? 'warning' : 'info',
        evidence: `The door controller "${bridge.name}" has not connected yet.`,
        fix: 'Start it and give it its token; or remove it under Doors when it is not to come.',
      },
    ];
  }
  const offlineMs = nowMs - Date.parse(bridge.lastSeenAt);
  if (Math.min(offlineMs, nowMs - hubSinceMs) < offlineAfterMs) return [];
  return [
    {
      id: `bridge.offline:${bridge.id}`,
      severity: offlineMs >= longOfflineMs ? 'error' : 'warning',
      evidence: `The door controller "${bridge.name}" has not been heard for ${minutesInWords(offlineMs)}. Its doors go on by the rules that they have; what is changed here does not reach them.`,
      fix: 'Check its power and its network. On the box itself, restart it. What happened meanwhile appears when it is back.',
    },
  ];
}

function policyFindings({ bridge, pendingSinceMs }: BridgeFacts, nowMs: number): readonly Finding[] {
  if (bridge.policy.state === 'refused')
    return [
      {
        id: `bridge.policyRefused:${bridge.id}`,
        severity: 'error',
        evidence: `The door controller "${bridge.name}" did not take over the rules (${bridge.policy.refused ?? 'no reason given'}). It goes on by those that it has.`,
        fix: "Restart the controller. If it refuses again, update it to the hub's release.",
      },
    ];
  if (pendingSinceMs === null || nowMs - pendingSinceMs < pendingAfterMs) return [];
  return [
    {
      id: `bridge.policyPending:${bridge.id}`,
      severity: 'warning',
      evidence: `The door controller "${bridge.name}" is connected but has not taken over the latest rules for ${minutesInWords(nowMs - pendingSinceMs)}.`,
      fix: 'Restart the controller. A card that was blocked meanwhile may still open its doors.',
    },
  ];
}

function journalFindings({ bridge }: BridgeFacts): readonly Finding[] {
  const backlog = bridge.journal === null ? 0 : bridge.journal.lastSeq - bridge.journal.ackedSeq;
  if (!bridge.connected || backlog < backlogEvents) return [];
  return [
    {
      id: `bridge.backlog:${bridge.id}`,
      severity: 'warning',
      evidence: `${backlog} events of the door controller "${bridge.name}" have not arrived here yet.`,
      fix: 'After a long time without connection it catches up by itself within minutes. If the number grows, look at the findings of the store and the disk.',
    },
  ];
}

/** What is wrong with one door controller, and what it found itself. */
export const bridgeFindings = (facts: BridgeFacts, nowMs: number): readonly Finding[] => [
  ...connectionFindings(facts, nowMs),
  ...policyFindings(facts, nowMs),
  ...journalFindings(facts),
  ...facts.readers.flatMap((reader) => readerFindings(reader, facts.bridge)),
  ...facts.bridge.findings.map((finding) => ({
    ...finding,
    id: `bridge.${finding.id}:${facts.bridge.id}`.slice(0, 100),
    evidence: `"${facts.bridge.name}": ${finding.evidence}`,
  })),
];
