import Bell from '@lucide/svelte/icons/bell';
import DoorOpen from '@lucide/svelte/icons/door-open';
import Lock from '@lucide/svelte/icons/lock';
import LockOpen from '@lucide/svelte/icons/lock-open';
import LogOut from '@lucide/svelte/icons/log-out';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Unplug from '@lucide/svelte/icons/unplug';
import type { Portal } from '#hub/domains/access/doors/schema.ts';
import type { PortalMode, PortalState } from '#hub/domains/access/schema.ts';
import type { Mark } from '../../../parts/mark.ts';

const markByState: Readonly<Record<PortalState, Mark>> = {
  secure: { tone: 'good', icon: Lock, word: 'Locked' },
  granted: { tone: 'info', icon: LockOpen, word: 'Released' },
  egress: { tone: 'info', icon: LogOut, word: 'Released for exit' },
  open: { tone: 'info', icon: DoorOpen, word: 'Open' },
  preAlarm: { tone: 'warn', icon: Bell, word: 'Open for long' },
  heldOpen: { tone: 'bad', icon: TriangleAlert, word: 'Stands open' },
  forcedOpen: { tone: 'bad', icon: ShieldAlert, word: 'Forced open' },
  unlocked: { tone: 'warn', icon: LockOpen, word: 'Unlocked' },
};

/** Returns the current state of a door. Lockdown takes precedence unless the door is open. */
export function doorMark(portal: Portal): Mark {
  const { live } = portal;
  if (live === null) return { tone: 'quiet', icon: Unplug, word: 'Not connected' };
  if (live.mode === 'fireRelease') return { tone: 'bad', icon: ShieldAlert, word: 'Fire release' };
  const isLocked = live.state === 'secure' || live.state === 'unlocked';
  if (live.mode === 'lockdown' && isLocked) return { tone: 'bad', icon: Lock, word: 'Locked down' };
  return markByState[live.state];
}

export const modeWords: Readonly<Record<PortalMode, string>> = {
  fireRelease: 'Released by the fire alarm',
  lockdown: 'Locked for everybody',
  heldOpen: 'Held open by staff',
  unlocked: 'Unlocked by its schedule',
  cardOnly: 'A card opens it, by its schedule',
  locked: 'Locked by its schedule',
  controlled: 'A card opens it',
};
