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
import Zap from '@lucide/svelte/icons/zap';
import type { AccessEvent } from '#hub/domains/access/events/schema.ts';
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
  tamperEnded: { tone: 'quiet', icon: Lock, word: 'Housing shut' },
  powerFault: { tone: 'warn', icon: Zap, word: 'Supply not sound' },
  powerRestored: { tone: 'quiet', icon: Zap, word: 'Supply sound' },
  portClosed: { tone: 'bad', icon: Unplug, word: 'Port gone' },
  portOpened: { tone: 'quiet', icon: CircleCheck, word: 'Port is back' },
  clockChanged: { tone: 'quiet', icon: Info, word: 'Clock changed' },
};

export const isEventKind = (kind: string): kind is AccessEventKind => Object.hasOwn(markByKind, kind);

/** Returns the outcome of an event. A door that only observes neither grants nor denies. */
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
  'tamper',
  'tamperEnded',
  'powerFault',
  'powerRestored',
];

/** Returns whether an event concerns a reader rather than a person at it. */
export const isAboutReader = ({ kind, reader }: Pick<AccessEvent, 'kind' | 'reader'>): boolean =>
  reader !== null && readerKinds.includes(kind);

/** Describes an event without a person, naming the reader if the event concerns one. */
export function eventSentence(event: Pick<AccessEvent, 'kind' | 'reader' | 'mode' | 'why'>): string {
  if (event.kind === 'modeChanged' && event.mode !== null) return modeWords[event.mode];
  return isAboutReader(event) ? `${event.reader}: ${event.why.sentence}` : event.why.sentence;
}
