import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  pages: [
    {
      path: '/settings/accounts',
      title: 'Accounts',
      permission: 'account.read',
      load: () => import('./accounts/AccountsPage.svelte'),
      tab: { area: 'settings', order: 200 },
    },
    {
      path: '/settings/tokens',
      title: 'Access tokens',
      permission: 'serviceAccount.read',
      load: () => import('./tokens/TokensPage.svelte'),
      tab: { area: 'settings', order: 300 },
    },
    {
      path: '/settings/sessions',
      title: 'Sessions',
      permission: null,
      load: () => import('./sessions/SessionsPage.svelte'),
      tab: { area: 'settings', order: 400 },
    },
  ],
};
