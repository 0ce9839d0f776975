import type { Finding } from '#hub/kernel/finding.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { SyncStatus } from '../schema.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;
const where = 'Settings, Sync';

const finding = (id: string, severity: Finding['severity'], evidence: string, fix: string): Finding => ({
  id: `sync.${id}`,
  severity,
  evidence: evidence.slice(0, 500),
  fix: fix.slice(0, 500),
});

/** `2 days`, `3 hours`, `5 minutes`. */
function describeSpan(ms: number): string {
  const [length, unit] =
    ms >= dayMs ? [dayMs, 'day'] : ms >= hourMs ? [hourMs, 'hour'] : [minuteMs, 'minute'];
  const count = Math.floor(ms / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

const count = (number: number, one: string, many: string): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** Finds problems of replication; none if this hub belongs to no centre. */
export function findSyncFindings(status: SyncStatus, nowMs: number): Finding[] {
  const { link } = status;
  if (link === null) return [];
  return [
    ...stopFindings(status),
    ...silenceFindings(status, link.linkedAt, nowMs),
    ...outboxFindings(status, nowMs),
    ...clockFindings(status),
    ...listFindings(status),
  ];
}

/** Being offline is no finding before it lasts. */
function stopFindings({ state, problem }: SyncStatus): Finding[] {
  if (problem === null) return [];
  if (state === 'stopped')
    return [finding('stopped', 'error', `Replication has stopped. ${problem.evidence}`, problem.fix)];
  if (problem.code === 'centralUnreachable') return [];
  return [finding('failing', 'warning', `Replication does not go through. ${problem.evidence}`, problem.fix)];
}

function silenceFindings({ lastSuccessAt, problem }: SyncStatus, linkedAt: string, nowMs: number): Finding[] {
  const silentMs = nowMs - Date.parse(lastSuccessAt ?? linkedAt);
  if (silentMs < hourMs) return [];
  const since = lastSuccessAt === null ? 'since this hub was linked' : `for ${describeSpan(silentMs)}`;
  return [
    finding(
      'silent',
      silentMs >= dayMs ? 'error' : 'warning',
      `The centre was not reached ${since}. Doors and everything else here go on without it.`,
      problem?.fix ?? `Look at ${where}.`,
    ),
  ];
}

function outboxFindings({ outbox }: SyncStatus, nowMs: number): Finding[] {
  const { waiting, oldestAt } = outbox;
  const ageMs = oldestAt === null ? 0 : nowMs - Date.parse(oldestAt);
  if (waiting === 0 || ageMs < dayMs) return [];
  return [
    finding(
      'outboxOld',
      'warning',
      `${count(waiting, 'change waits', 'changes wait')} to be sent to the centre, the oldest for ${describeSpan(ageMs)}.`,
      `They are kept and sent as soon as the centre is reached; ${where} says what is in the way.`,
    ),
  ];
}

function clockFindings({ clockAheadMs }: SyncStatus): Finding[] {
  if (clockAheadMs < minuteMs) return [];
  return [
    finding(
      'clockAhead',
      'warning',
      `The clock of this hub is ${describeSpan(clockAheadMs)} ahead of the centre’s: where two people write the same, this hub wins too often.`,
      'Let the machine set its clock by the network (NTP); `timedatectl` shows whether it does.',
    ),
  ];
}

function listFindings({ deadLetters, conflicts }: SyncStatus): Finding[] {
  return [
    ...(deadLetters === 0
      ? []
      : [
          finding(
            'deadLetters',
            'error',
            `${count(deadLetters, 'change', 'changes')} could not be taken by the other side; this hub and the centre differ there.`,
            `Look at them in ${where}: try them again, or dismiss them.`,
          ),
        ]),
    ...(conflicts === 0
      ? []
      : [
          finding(
            'conflicts',
            'warning',
            `${count(conflicts, 'value was', 'values were')} written in two places at once; one of each pair stands.`,
            `Look at them in ${where} and choose.`,
          ),
        ]),
  ];
}
