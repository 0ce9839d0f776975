import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleX from '@lucide/svelte/icons/circle-x';
import Hourglass from '@lucide/svelte/icons/hourglass';
import KeyRound from '@lucide/svelte/icons/key-round';
import LockOpen from '@lucide/svelte/icons/lock-open';
import Minus from '@lucide/svelte/icons/minus';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import Unplug from '@lucide/svelte/icons/unplug';
import Zap from '@lucide/svelte/icons/zap';
import type { Reader, ReaderLive } from '#hub/domains/access/readers/schema.ts';
import type { ReaderKind } from '#hub/domains/access/schema.ts';
import type { Mark } from '../../../parts/mark.ts';
import { clockTime, exactClockTime } from '../../../state/time-format.ts';

const markByLink: Readonly<Record<ReaderLive['link'], Mark>> = {
  offline: { tone: 'bad', icon: CircleX, word: 'Not reachable' },
  connecting: { tone: 'warn', icon: Hourglass, word: 'Connecting' },
  online: { tone: 'good', icon: CircleCheck, word: 'Online' },
};

/** Returns the state of the link between controller and reader. */
export function linkMark({ connected, live }: Pick<Reader, 'connected' | 'live'>): Mark {
  if (!connected) return { tone: 'quiet', icon: Unplug, word: 'Controller not connected' };
  if (live === null) return { tone: 'quiet', icon: Hourglass, word: 'Nothing heard yet' };
  return markByLink[live.link];
}

const markByChannel: Readonly<Record<NonNullable<ReaderLive['channel']>, Mark>> = {
  none: { tone: 'warn', icon: LockOpen, word: 'In the open' },
  installKey: { tone: 'bad', icon: ShieldAlert, word: 'Install key' },
  ownKey: { tone: 'good', icon: KeyRound, word: 'Own key' },
};

/** Returns how the channel is secured. An unreachable reader has not sent anything in the open yet. */
export function channelMark({ channel, link }: Pick<ReaderLive, 'channel' | 'link'>): Mark {
  if (channel === null) return { tone: 'quiet', icon: Minus, word: 'None' };
  if (channel === 'none' && link !== 'online') return { tone: 'quiet', icon: Hourglass, word: 'Not yet' };
  return markByChannel[channel];
}

/** Returns the alarms that the reader itself raises. */
export const alarmMarks = ({ tamper, powerFault }: ReaderLive): readonly Mark[] => [
  ...(tamper === true ? [{ tone: 'bad', icon: ShieldAlert, word: 'Housing open' } as const] : []),
  ...(powerFault === true ? [{ tone: 'warn', icon: Zap, word: 'Supply not sound' } as const] : []),
];

export const kindWords: Readonly<Record<ReaderKind, string>> = {
  wiegand: 'Wiegand',
  osdp: 'OSDP (RS-485)',
  rdm6300: 'RDM6300 (125 kHz, serial)',
  pn532: 'PN532 (13.56 MHz, serial)',
  wedge: 'Types lines (serial or USB)',
};

interface Fact {
  readonly title: string;
  readonly value: string;
}

const alarmWord = (level: boolean | null, words: readonly [yes: string, no: string]): string =>
  level === null ? 'Not reported' : words[level ? 0 : 1];

function alarmFacts({ tamper, powerFault }: ReaderLive): readonly Fact[] {
  if (tamper === null && powerFault === null) return [{ title: 'Housing, supply', value: 'Not reported' }];
  return [
    { title: 'Housing', value: alarmWord(tamper, ['Open, or off the wall', 'Shut']) },
    { title: 'Supply', value: alarmWord(powerFault, ['Not sound', 'Sound']) },
  ];
}

function levelFacts(title: string, levels: readonly boolean[]): readonly Fact[] {
  if (levels.length === 0) return [];
  const on = levels.filter((level) => level).length;
  return [{ title, value: `${on} on, ${levels.length - on} off` }];
}

/** Lists last card and keys, counters since the controller started, and device details; never card numbers. */
export function readerFacts(live: ReaderLive): readonly Fact[] {
  const { goodFrames, faultyFrames, parityFaults, lostBits, timeouts } = live;
  const bits = live.lastBits === null ? '' : `, ${live.lastBits} bits`;
  const lastCard = live.lastReadAt === null ? 'None yet' : `${exactClockTime(live.lastReadAt)}${bits}`;
  const wrong = live.kind === 'wiegand' ? 'wrong parity' : 'wrong check sum';
  const number = (value: number): string => value.toLocaleString();
  return [
    { title: 'Last card', value: lastCard },
    ...(live.lastKeysAt === null ? [] : [{ title: 'Last keys', value: clockTime(live.lastKeysAt) }]),
    {
      title: live.kind === 'wiegand' ? 'Frames' : 'Messages',
      value: `${number(goodFrames)} good, ${number(faultyFrames)} faulty${faultyFrames === 0 ? '' : ` (${number(parityFaults)} ${wrong})`}`,
    },
    live.kind === 'wiegand'
      ? { title: 'Lost bits', value: number(lostBits) }
      : { title: 'Time-outs', value: number(timeouts) },
    ...alarmFacts(live),
    ...levelFacts('Inputs', live.inputs),
    ...levelFacts('Outputs', live.outputs),
    ...(live.identity === null ? [] : [{ title: 'Device', value: live.identity }]),
  ];
}
