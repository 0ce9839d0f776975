import { type Component, createContext } from 'svelte';
import type { Permission } from '../api/names.ts';

/**
 * An entry of the main navigation, with its pages as tabs. One domain declares it; any domain may add pages to it.
 * Areas and tabs are numbered in hundreds, so that others fit in between.
 */
export interface AreaSpec {
  readonly order: number;
  readonly title: string;
  /** Title on a phone. */
  readonly short: string;
  readonly icon: Component<{ size?: number; 'aria-hidden'?: boolean }>;
  /** Links below the tabs to anything outside this application. */
  readonly links?: readonly Link[];
}

export interface Link {
  readonly href: string;
  readonly title: string;
}

export interface Page {
  /** May contain `:id` as a segment. */
  readonly path: string;
  readonly title: string;
  /** Null for every signed-in account. */
  readonly permission: Permission | null;
  readonly load: () => Promise<{ readonly default: Component }>;
  /** Place in the navigation; a page without one is reached by links. */
  readonly tab?: { readonly area: string; readonly order: number };
}

/** The contribution of a domain to the application, exported by `pages/<domain>/section.ts`. */
export interface Section {
  readonly areas?: Readonly<Record<string, AreaSpec>>;
  readonly pages: readonly Page[];
}

export interface Area extends AreaSpec {
  readonly tabs: readonly Page[];
}

/** Compiles a path; `:id` matches a UUID. */
const toPattern = (path: string): RegExp => new RegExp(`^${path.replaceAll(':id', '[0-9a-f-]{36}')}$`);

/** Finds the pages of all sections by path and by area. */
export class Navigation {
  /** Non-empty areas, in order. */
  readonly areas: readonly Area[];
  readonly #pages: readonly { readonly pattern: RegExp; readonly page: Page }[];

  /** @throws Error if two sections declare the same path or area, or a page belongs to an undeclared area */
  constructor(sections: readonly Section[]) {
    const pages = sections.flatMap((section) => section.pages);
    const specs = new Map<string, AreaSpec>();
    for (const [name, spec] of sections.flatMap(({ areas }) => Object.entries(areas ?? {}))) {
      if (specs.has(name)) throw new Error(`two sections declare the area ${name}`);
      specs.set(name, spec);
    }
    if (new Set(pages.map(({ path }) => path)).size < pages.length)
      throw new Error('two sections have a page at the same path');
    for (const { path, tab } of pages)
      if (tab && !specs.has(tab.area))
        throw new Error(`${path} is a tab of ${tab.area}, which no section declares`);

    this.#pages = pages.map((page) => ({ pattern: toPattern(page.path), page }));
    this.areas = [...specs]
      .map(([name, spec]) => ({ ...spec, tabs: tabsOf(name, pages) }))
      .filter(({ tabs }) => tabs.length > 0)
      .toSorted((left, right) => left.order - right.order);
  }

  /** Returns the page at a path. */
  pageAt(path: string): Page | undefined {
    return this.#pages.find(({ pattern }) => pattern.test(path))?.page;
  }

  /** Returns the area that has a tab at this path or above it. */
  areaAt(path: string): Area | undefined {
    return this.areas.find(({ tabs }) =>
      tabs.some((tab) => path === tab.path || (tab.path !== '/' && path.startsWith(`${tab.path}/`))),
    );
  }
}

function tabsOf(area: string, pages: readonly Page[]): readonly Page[] {
  return pages
    .flatMap((page) => (page.tab?.area === area ? [{ page, order: page.tab.order }] : []))
    .toSorted((left, right) => left.order - right.order)
    .map(({ page }) => page);
}

/** Context through which parts reach the navigation. */
export const [useNavigation, provideNavigation] = createContext<Navigation>();
