import Users from '@lucide/svelte/icons/users';
import type { Section } from '../../state/navigation.ts';

export const section: Section = {
  areas: { members: { order: 200, title: 'Members & cards', short: 'Members', icon: Users } },
  pages: [
    {
      path: '/members',
      title: 'Members',
      permission: 'member.read',
      load: () => import('./member/MembersPage.svelte'),
      tab: { area: 'members', order: 100 },
    },
    {
      path: '/members/plans',
      title: 'Plans & groups',
      permission: 'plan.read',
      load: () => import('./plans/PlansPage.svelte'),
      tab: { area: 'members', order: 200 },
    },
    {
      path: '/members/:id',
      title: 'Member',
      permission: 'member.read',
      load: () => import('./member/MemberPage.svelte'),
    },
  ],
};
