import DoorOpen from '@lucide/svelte/icons/door-open';
import Settings from '@lucide/svelte/icons/settings';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import type { Permission } from '#hub/domains/identity/schema.ts';

export interface Tab {
  readonly path: string;
  readonly title: string;
  /** null: everybody who is signed in. */
  readonly permission: Permission | null;
}

interface Section {
  readonly title: string;
  /** On a phone. */
  readonly short: string;
  readonly icon: Component<{ size?: number; 'aria-hidden'?: boolean }>;
  readonly tabs: readonly Tab[];
}

/** What the page is made of: an entry of the navigation each, and the tabs in it. `pages.ts` says what a path loads. */
export const sections = {
  doors: {
    title: 'Doors',
    short: 'Doors',
    icon: DoorOpen,
    tabs: [
      { path: '/', title: 'Now', permission: 'portal.read' },
      { path: '/doors/rules', title: 'Rules & hours', permission: 'rule.read' },
    ],
  },
  members: {
    title: 'Members & cards',
    short: 'Members',
    icon: Users,
    tabs: [
      { path: '/members', title: 'Members', permission: 'member.read' },
      { path: '/members/plans', title: 'Plans & groups', permission: 'plan.read' },
    ],
  },
  settings: {
    title: 'Settings',
    short: 'Settings',
    icon: Settings,
    tabs: [
      { path: '/settings', title: 'Health', permission: 'system.read' },
      { path: '/settings/accounts', title: 'Accounts', permission: 'account.read' },
      { path: '/settings/tokens', title: 'Access tokens', permission: 'serviceAccount.read' },
      { path: '/settings/sessions', title: 'Sessions', permission: null },
      { path: '/settings/webhooks', title: 'Webhooks', permission: 'webhook.read' },
      { path: '/settings/sync', title: 'Sync', permission: 'system.read' },
      { path: '/settings/devices', title: 'Devices', permission: 'system.read' },
      { path: '/settings/readers', title: 'Readers', permission: 'portal.read' },
      { path: '/settings/alarms', title: 'Alarms', permission: 'alarm.read' },
      { path: '/settings/recovery', title: 'Recovery sheet', permission: 'recovery.manage' },
    ],
  },
} as const satisfies Record<string, Section>;

export type SectionName = keyof typeof sections;
/** The paths of all tabs. */
export type TabPath = (typeof sections)[SectionName]['tabs'][number]['path'];

export const allTabs: readonly Tab[] = Object.values(sections).flatMap(({ tabs }): readonly Tab[] => tabs);
