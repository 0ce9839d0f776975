import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import CircleX from '@lucide/svelte/icons/circle-x';
import Clock from '@lucide/svelte/icons/clock';
import Pause from '@lucide/svelte/icons/pause';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import type { Delivery, Webhook } from '#hub/domains/webhooks/schema.ts';
import type { Mark } from '../../parts/mark.ts';

export const webhookMarks: Readonly<Record<Webhook['state'], Mark>> = {
  active: { tone: 'good', icon: CircleCheck, word: 'Active' },
  failing: { tone: 'warn', icon: TriangleAlert, word: 'Failing' },
  paused: { tone: 'bad', icon: Pause, word: 'Paused' },
  ended: { tone: 'bad', icon: CircleX, word: 'Gone' },
  inactive: { tone: 'quiet', icon: CircleSlash, word: 'Switched off' },
};

export const deliveryMarks: Readonly<Record<Delivery['state'], Mark>> = {
  pending: { tone: 'info', icon: Clock, word: 'Waiting' },
  delivered: { tone: 'good', icon: CircleCheck, word: 'Delivered' },
  dead: { tone: 'bad', icon: CircleX, word: 'Given up' },
};
