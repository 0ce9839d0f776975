import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  pages: [
    {
      path: '/settings/webhooks',
      title: 'Webhooks',
      permission: 'webhook.read',
      load: () => import('./WebhooksPage.svelte'),
      tab: { area: 'settings', order: 500 },
    },
  ],
};
