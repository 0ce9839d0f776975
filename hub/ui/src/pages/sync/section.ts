import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  pages: [
    {
      path: '/settings/sync',
      title: 'Sync',
      permission: 'system.read',
      load: () => import('./SyncPage.svelte'),
      tab: { area: 'settings', order: 600 },
    },
  ],
};
