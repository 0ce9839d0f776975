import { type Component, createContext } from 'svelte';
import type { Permission } from '#hub/domains/identity/schema.ts';

/**
 * An entry of the main navigation; its pages are the tabs in it. One domain declares it, any may put pages into it.
 * Orders of areas and of tabs go in hundreds, so that others fit in between.
 */
export interface AreaSpec {
  readonly order: number;
  readonly title: string;
  /** The title on a phone. */
  readonly short: string;
  readonly icon: Component<{ size?: number; 'aria-hidden'?: boolean }>;
  /** Links below the tabs, to what is no page of this application. */
  readonly links?: readonly Link[];
}

export interface Link {
  readonly href: string;
  readonly title: string;
}

export interface Page {
  /** The path, with `:id` in place of an id. */
  readonly path: string;
  readonly title: string;
  /** Null for everybody who is signed in. */
  readonly permission: Permission | null;
  readonly load: () => Promise<{ readonly default: Component }>;
  /** The tab that leads here; a page without one is reached by links. */
  readonly tab?: { readonly area: string; readonly order: number };
}

/** What a domain adds to the application: `pages/<domain>/section.ts`. */
export interface Section {
  readonly areas?: Readonly<Record<string, AreaSpec>>;
  readonly pages: readonly Page[];
}

export interface Area extends AreaSpec {
  readonly tabs: readonly Page[];
}

/** Matches the paths of a page: an id is a UUID. */
const toPattern = (path: string): RegExp => new RegExp(`^${path.replaceAll(':id', '[0-9a-f-]{36}')}$`);

/** The pages of all sections, by path and by their place in the navigation. */
export class Navigation {
  /** In order; only those that have pages. */
  readonly areas: readonly Area[];
  readonly #pages: readonly { readonly pattern: RegExp; readonly page: Page }[];

  /** @throws Error when two sections claim the same path or area, or a page names an area that nobody declares */
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

  /** Finds the page that a path leads to. */
  pageAt(path: string): Page | undefined {
    return this.#pages.find(({ pattern }) => pattern.test(path))?.page;
  }

  /** Finds the area with a tab that a path leads to or lies below. */
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

/** The application's navigation, for the parts that a page shows. */
export const [useNavigation, provideNavigation] = createContext<Navigation>();
