import CircleCheck from '@lucide/svelte/icons/circle-check';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import CircleX from '@lucide/svelte/icons/circle-x';
import Clock from '@lucide/svelte/icons/clock';
import type { Credential } from '#hub/domains/access/cards/schema.ts';
import type { CredentialStatus } from '#hub/domains/members/schema.ts';
import { hubNowMs } from '../../../live/api.ts';
import type { Mark } from '../../../parts/mark.ts';

const markByStatus: Readonly<Record<CredentialStatus, Mark>> = {
  active: { tone: 'good', icon: CircleCheck, word: 'Active' },
  temporary: { tone: 'info', icon: Clock, word: 'Temporary' },
  suspended: { tone: 'warn', icon: CirclePause, word: 'Suspended' },
  lost: { tone: 'bad', icon: CircleX, word: 'Lost' },
  retired: { tone: 'quiet', icon: CircleSlash, word: 'Retired' },
};

export function credentialMark({ status, validFrom, validUntil }: Credential): Mark {
  const opens = status === 'active' || status === 'temporary';
  if (opens && validUntil !== null && Date.parse(validUntil) <= hubNowMs())
    return { tone: 'warn', icon: CircleSlash, word: 'Run out' };
  if (opens && validFrom !== null && Date.parse(validFrom) > hubNowMs())
    return { tone: 'info', icon: Clock, word: 'Valid later' };
  return markByStatus[status];
}
