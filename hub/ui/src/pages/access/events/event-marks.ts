import Bell from '@lucide/svelte/icons/bell';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import CircleX from '@lucide/svelte/icons/circle-x';
import DoorOpen from '@lucide/svelte/icons/door-open';
import Info from '@lucide/svelte/icons/info';
import KeyRound from '@lucide/svelte/icons/key-round';
import Lock from '@lucide/svelte/icons/lock';
import LockOpen from '@lucide/svelte/icons/lock-open';
import LogOut from '@lucide/svelte/icons/log-out';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Unplug from '@lucide/svelte/icons/unplug';
import type { AccessEvent } from '#hub/domains/access/event-schema.ts';
import type { AccessEventKind } from '#hub/domains/access/schema.ts';
import type { Mark } from '../../../parts/mark.ts';
import { modeWords } from '../doors/door-marks.ts';

const markByKind: Readonly<Record<AccessEventKind, Mark>> = {
  granted: { tone: 'good', icon: CircleCheck, word: 'Granted' },
  denied: { tone: 'bad', icon: CircleX, word: 'Denied' },
  remoteGranted: { tone: 'info', icon: LockOpen, word: 'Unlocked from here' },
  entered: { tone: 'quiet', icon: DoorOpen, word: 'Entered' },
  notEntered: { tone: 'quiet', icon: CircleSlash, word: 'Not entered' },
  egress: { tone: 'quiet', icon: LogOut, word: 'Exit' },
  forcedOpen: { tone: 'bad', icon: ShieldAlert, word: 'Forced open' },
  heldOpen: { tone: 'bad', icon: TriangleAlert, word: 'Stands open' },
  preAlarm: { tone: 'warn', icon: Bell, word: 'Open for long' },
  restored: { tone: 'quiet', icon: Lock, word: 'Shut again' },
  modeChanged: { tone: 'info', icon: Info, word: 'Mode changed' },
  tamper: { tone: 'bad', icon: ShieldAlert, word: 'Tampering' },
  policyApplied: { tone: 'quiet', icon: Info, word: 'Rules updated' },
  boot: { tone: 'quiet', icon: Info, word: 'Controller started' },
  readFault: { tone: 'warn', icon: TriangleAlert, word: 'Misread' },
  journalGap: { tone: 'bad', icon: TriangleAlert, word: 'Events missing' },
  readerOffline: { tone: 'bad', icon: Unplug, word: 'Reader offline' },
  readerOnline: { tone: 'quiet', icon: CircleCheck, word: 'Reader is back' },
  readerPaired: { tone: 'info', icon: KeyRound, word: 'Reader paired' },
  pinLockout: { tone: 'warn', icon: ShieldAlert, word: 'PINs refused' },
  clockChanged: { tone: 'quiet', icon: Info, word: 'Clock changed' },
};

export const isEventKind = (kind: string): kind is AccessEventKind => Object.hasOwn(markByKind, kind);

/** How an event went. A door that only observes has let nobody in and kept nobody out. */
export function eventMark(event: Pick<AccessEvent, 'kind' | 'observed'>): Mark {
  if (event.observed && event.kind === 'granted') return { tone: 'info', icon: Info, word: 'Would grant' };
  if (event.observed && event.kind === 'denied') return { tone: 'warn', icon: Info, word: 'Would deny' };
  return markByKind[event.kind];
}

const readerKinds: readonly AccessEventKind[] = [
  'readerOffline',
  'readerOnline',
  'readerPaired',
  'pinLockout',
];

/** Whether it is about a reader rather than about somebody at it. */
export const isOfReader = ({ kind, reader }: Pick<AccessEvent, 'kind' | 'reader'>): boolean =>
  reader !== null && readerKinds.includes(kind);

/** What happened where nobody is named: at doors with several readers also which of them. */
export function eventSentence(event: Pick<AccessEvent, 'kind' | 'reader' | 'mode' | 'why'>): string {
  if (event.kind === 'modeChanged' && event.mode !== null) return modeWords[event.mode];
  return isOfReader(event) ? `${event.reader}: ${event.why.sentence}` : event.why.sentence;
}
