import DoorOpen from '@lucide/svelte/icons/door-open';
import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  areas: { doors: { order: 100, title: 'Doors', short: 'Doors', icon: DoorOpen } },
  pages: [
    {
      path: '/',
      title: 'Now',
      permission: 'portal.read',
      load: () => import('./doors/DoorsPage.svelte'),
      tab: { area: 'doors', order: 100 },
    },
    {
      path: '/doors/rules',
      title: 'Rules & hours',
      permission: 'rule.read',
      load: () => import('./rules/RulesPage.svelte'),
      tab: { area: 'doors', order: 200 },
    },
    {
      path: '/settings/readers',
      title: 'Readers',
      permission: 'portal.read',
      load: () => import('./readers/ReadersPage.svelte'),
      tab: { area: 'settings', order: 800 },
    },
    {
      path: '/settings/alarms',
      title: 'Alarms',
      permission: 'alarm.read',
      load: () => import('./alarms/AlarmsPage.svelte'),
      tab: { area: 'settings', order: 900 },
    },
    {
      path: '/settings/recovery',
      title: 'Recovery sheet',
      permission: 'recovery.manage',
      load: () => import('./recovery/RecoveryPage.svelte'),
      tab: { area: 'settings', order: 1000 },
    },
  ],
};
