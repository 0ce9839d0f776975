import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleX from '@lucide/svelte/icons/circle-x';
import CloudOff from '@lucide/svelte/icons/cloud-off';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import Unlink from '@lucide/svelte/icons/unlink';
import type { Mark } from '../../parts/mark.ts';
import type { SyncStatus } from './sync-api.ts';

export const syncMarks: Readonly<Record<SyncStatus['state'], Mark>> = {
  notLinked: { tone: 'quiet', icon: Unlink, word: 'Not linked' },
  upToDate: { tone: 'good', icon: CircleCheck, word: 'Up to date' },
  working: { tone: 'info', icon: RefreshCw, word: 'Working' },
  offline: { tone: 'warn', icon: CloudOff, word: 'Offline' },
  stopped: { tone: 'bad', icon: CircleX, word: 'Stopped' },
};
