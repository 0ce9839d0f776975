import Settings from '@lucide/svelte/icons/settings';
import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  areas: {
    settings: {
      order: 900,
      title: 'Settings',
      short: 'Settings',
      icon: Settings,
      links: [{ href: '/docs', title: 'Documentation of the API' }],
    },
  },
  pages: [
    {
      path: '/settings',
      title: 'Health',
      permission: 'system.read',
      load: () => import('./HealthPage.svelte'),
      tab: { area: 'settings', order: 100 },
    },
  ],
};
