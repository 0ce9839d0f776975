import { Latest } from '../live/latest.ts';
import { attempt } from './toasts.svelte.ts';

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

interface Options<T> {
  /** Merges a fresh first page into the items shown; by default it replaces them. */
  readonly merge?: (first: ListPage<T>, shown: ListPage<T>) => ListPage<T>;
}

/** A list loaded page by page. */
export class PagedList<T extends { readonly id: string }> {
  items = $state.raw<readonly T[]>([]);
  nextCursor = $state<string | null>(null);
  /** False until the first response. */
  loaded = $state(false);
  readonly #fetchPage: (cursor: string | null) => Promise<ListPage<T>>;
  readonly #merge: NonNullable<Options<T>['merge']>;
  readonly #latest = new Latest();

  constructor(
    fetchPage: (cursor: string | null) => Promise<ListPage<T>>,
    { merge = (first) => first }: Options<T> = {},
  ) {
    this.#fetchPage = fetchPage;
    this.#merge = merge;
  }

  /** Loads the first page, discarding responses to outdated requests. Shows problems instead of throwing them. */
  readonly load = async (): Promise<void> => {
    await attempt(() =>
      this.#latest.load(
        () => this.#fetchPage(null),
        (first) => {
          const { items, nextCursor } = this.#merge(first, this);
          this.items = items;
          this.nextCursor = nextCursor;
          this.loaded = true;
        },
      ),
    );
  };

  /** Appends the next page. */
  readonly more = async (): Promise<void> => {
    await attempt(async () => {
      const cursor = this.nextCursor;
      const page = await this.#fetchPage(cursor);
      // Discard the page if the list has been reloaded in the meantime.
      if (cursor !== this.nextCursor) return;
      const shown = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...page.items.filter(({ id }) => !shown.has(id))];
      this.nextCursor = page.nextCursor;
    });
  };

  /** Replaces an item, or appends a new one. */
  put(changed: T): void {
    const isShown = this.items.some(({ id }) => id === changed.id);
    this.items = isShown
      ? this.items.map((item) => (item.id === changed.id ? changed : item))
      : [...this.items, changed];
  }
}
