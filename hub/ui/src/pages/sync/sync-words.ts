import { clockTime, span } from '../../state/time-format.ts';
import type { Conflict, SyncStatus } from './sync-api.ts';

const number = new Intl.NumberFormat('en');
const ago = (at: string, nowMs: number): string => span(Math.max(0, (nowMs - Date.parse(at)) / 1000));

const changes = (count: number): string => `${number.format(count)} ${count === 1 ? 'change' : 'changes'}`;
const waits = (count: number): string => `${changes(count)} ${count === 1 ? 'waits' : 'wait'}`;

type Stage = NonNullable<SyncStatus['link']>['stage'];

/** Stages of a new link, in order. */
export const stages: readonly { readonly stage: Stage; readonly title: string; readonly doing: string }[] = [
  { stage: 'seed', title: 'Announce', doing: 'Announcing everything that is here to the centre' },
  { stage: 'backfill', title: 'Send the past', doing: 'Sending events from before' },
  { stage: 'bootstrap', title: 'Take in', doing: 'Taking in everything that the centre has' },
  { stage: 'live', title: 'Up to date', doing: 'Exchanging changes' },
];

/** Describes the state of replication in one sentence. */
export function sentenceOf(status: SyncStatus, nowMs: number): string {
  const { state, link, lastSuccessAt, nextTryAt, outbox, inbox, problem } = status;
  switch (state) {
    case 'notLinked':
      return 'This hub belongs to no centre.';
    case 'upToDate':
      return lastSuccessAt === null
        ? 'Up to date.'
        : `Up to date, last heard ${ago(lastSuccessAt, nowMs)} ago.`;
    case 'working':
      return workingSentence(link?.stage ?? 'live', outbox.waiting, inbox.waiting);
    case 'offline': {
      const since = lastSuccessAt === null ? 'Not reached yet' : `Offline since ${clockTime(lastSuccessAt)}`;
      const untilMs = nextTryAt === null ? 0 : Date.parse(nextTryAt) - nowMs;
      const next = untilMs > 0 ? `, next try in ${span(untilMs / 1000)}` : '';
      return `${since}: ${outbox.waiting === 0 ? 'nothing waits to be sent' : waits(outbox.waiting)}${next}.`;
    }
    case 'stopped':
      return `Stopped: ${problem?.evidence ?? 'a person has to look.'}`;
    default:
      return state satisfies never;
  }
}

function workingSentence(stage: Stage, toSend: number, toTake: number): string {
  const step = stages.find((one) => one.stage === stage);
  if (stage !== 'live') return `${step?.doing ?? ''}.`;
  const doing = [
    ...(toSend > 0 ? [`sending ${changes(toSend)}`] : []),
    ...(toTake > 0 ? [`taking in ${changes(toTake)}`] : []),
  ].join(', ');
  return doing === '' ? 'Connecting to the centre.' : `${doing.charAt(0).toUpperCase()}${doing.slice(1)}.`;
}

/** Formats as `1,204 changes, the oldest for 2 hours`. */
export function waitingInWords(
  { waiting, oldestAt }: Pick<SyncStatus['outbox'], 'waiting' | 'oldestAt'>,
  nowMs: number,
): string {
  if (waiting === 0) return 'nothing';
  const age = oldestAt === null ? '' : `, the oldest for ${ago(oldestAt, nowMs)}`;
  return `${changes(waiting)}${age}`;
}

export const rateInWords = (perMinute: number): string => `${number.format(Math.round(perMinute))} a minute`;

/** Names the writer of a value. */
export const writerInWords = ({ kind }: Conflict['keptBy']): string =>
  ({ thisHub: 'this hub', otherHub: 'another hub', centre: 'another application at the centre' })[kind];

/** Formats the value of a column; null is an empty field. */
export function valueInWords(column: string, value: string | number | null): string {
  if (value === null || value === '') return 'empty';
  if (typeof value === 'number' && column.endsWith('_ms')) return clockTime(value);
  return String(value);
}
