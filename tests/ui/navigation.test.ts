import { describe, expect, it } from 'vitest';
import { type AreaSpec, Navigation, type Page, type Section } from '#hub/ui/src/state/navigation.ts';

const load = () => Promise.reject(new Error('not loaded here'));
const icon = (() => ({})) as unknown as AreaSpec['icon'];
const area = (order: number, title: string): AreaSpec => ({ order, title, short: title, icon });
const tab = (path: string, name: string, order: number): Page => ({
  path,
  title: path,
  permission: null,
  load,
  tab: { area: name, order },
});

const doors: Section = {
  areas: { doors: area(100, 'Doors') },
  pages: [tab('/', 'doors', 100), tab('/settings/readers', 'settings', 300)],
};
const system: Section = {
  areas: { settings: area(900, 'Settings') },
  pages: [tab('/settings', 'settings', 100)],
};
const members: Section = {
  areas: { members: area(200, 'Members') },
  pages: [
    tab('/members', 'members', 100),
    { path: '/members/:id', title: 'Member', permission: null, load },
    tab('/members/plans', 'members', 200),
  ],
};
const lockers: Section = {
  areas: { lockers: area(150, 'Lockers') },
  pages: [tab('/lockers', 'lockers', 100), tab('/settings/lockers', 'settings', 200)],
};
const paths = (pages: readonly Page[] = []): string[] => pages.map(({ path }) => path);

describe('the navigation', () => {
  it('puts areas and tabs in order, whichever section they come from', () => {
    const navigation = new Navigation([system, members, lockers, doors]);
    expect(navigation.areas.map(({ title }) => title)).toEqual(['Doors', 'Lockers', 'Members', 'Settings']);
    expect(paths(navigation.areas.at(-1)?.tabs)).toEqual([
      '/settings',
      '/settings/lockers',
      '/settings/readers',
    ]);
  });

  it('finds the page of a path, and the area of a page below a tab', () => {
    const navigation = new Navigation([doors, system, members]);
    const ofMember = '/members/019a5b1e-0000-7000-8000-000000000001';
    expect(navigation.pageAt('/')?.path).toBe('/');
    expect(navigation.pageAt('/members/plans')?.path).toBe('/members/plans');
    expect(navigation.pageAt(ofMember)?.path).toBe('/members/:id');
    expect(navigation.pageAt('/members/nobody')).toBeUndefined();
    expect(navigation.pageAt(`${ofMember}/more`)).toBeUndefined();
    expect(navigation.areaAt(ofMember)?.title).toBe('Members');
    expect(navigation.areaAt('/settings/readers')?.title).toBe('Settings');
    expect(navigation.areaAt('/nowhere')).toBeUndefined();
  });

  it('leaves out an area without pages', () => {
    const navigation = new Navigation([doors, system, { areas: { empty: area(50, 'Empty') }, pages: [] }]);
    expect(navigation.areas.map(({ title }) => title)).toEqual(['Doors', 'Settings']);
  });

  it('refuses sections that do not fit together', () => {
    expect(() => new Navigation([doors])).toThrow('/settings/readers is a tab of settings');
    expect(() => new Navigation([system, system])).toThrow('two sections declare the area settings');
    expect(() => new Navigation([system, { pages: [tab('/settings', 'settings', 1)] }])).toThrow(
      'two sections have a page at the same path',
    );
  });
});
