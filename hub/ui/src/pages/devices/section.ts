import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  pages: [
    {
      path: '/settings/devices',
      title: 'Devices',
      permission: 'system.read',
      load: () => import('./DevicesPage.svelte'),
      tab: { area: 'settings', order: 700 },
    },
  ],
};
