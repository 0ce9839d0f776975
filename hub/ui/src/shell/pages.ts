import type { Component } from 'svelte';
import type { Permission } from '#hub/domains/identity/schema.ts';
import { allTabs, type TabPath } from './sections.ts';

type Load = () => Promise<{ readonly default: Component }>;

export interface Page {
  /** null: everybody who is signed in. */
  readonly permission: Permission | null;
  readonly load: Load;
}

/** What each tab loads. */
const tabLoads: Readonly<Record<TabPath, Load>> = {
  '/': () => import('../pages/doors/DoorsPage.svelte'),
  '/doors/rules': () => import('../pages/doors/RulesPage.svelte'),
  '/members': () => import('../pages/members/MembersPage.svelte'),
  '/members/plans': () => import('../pages/members/PlansPage.svelte'),
  '/settings': () => import('../pages/settings/HealthPage.svelte'),
  '/settings/accounts': () => import('../pages/settings/AccountsPage.svelte'),
  '/settings/tokens': () => import('../pages/settings/TokensPage.svelte'),
  '/settings/sessions': () => import('../pages/settings/SessionsPage.svelte'),
  '/settings/webhooks': () => import('../pages/settings/WebhooksPage.svelte'),
  '/settings/sync': () => import('../pages/settings/SyncPage.svelte'),
  '/settings/devices': () => import('../pages/settings/DevicesPage.svelte'),
  '/settings/alarms': () => import('../pages/settings/AlarmsPage.svelte'),
  '/settings/recovery': () => import('../pages/settings/RecoveryPage.svelte'),
  '/settings/readers': () => import('../pages/settings/ReadersPage.svelte'),
};

/** Pages of one thing, whose id is the last part of the path: `route.id`. */
const thingPages: readonly (Page & { readonly pattern: RegExp })[] = [
  {
    pattern: /^\/members\/[0-9a-f-]{36}$/,
    permission: 'member.read',
    load: () => import('../pages/members/MemberPage.svelte'),
  },
];

const isTabPath = (path: string): path is TabPath => Object.hasOwn(tabLoads, path);

const tabPages: ReadonlyMap<string, Page> = new Map(
  allTabs.flatMap(({ path, permission }) =>
    isTabPath(path) ? [[path, { permission, load: tabLoads[path] }] as const] : [],
  ),
);

/** The page that a path leads to. */
export const pageAt = (path: string): Page | undefined =>
  tabPages.get(path) ?? thingPages.find(({ pattern }) => pattern.test(path));
