import type { AccessEvent } from '#hub/domains/access/events/schema.ts';
import { api } from '../../../live/api.ts';
import type { LiveMessage } from '../../../live/message.ts';
import { reloadWhenStale } from '../../../state/loaded.svelte.ts';
import { type ListPage, PagedList } from '../../../state/paged-list.svelte.ts';
import { fieldToIso, lastDayToIso } from '../../../state/time-format.ts';

/** Above this, new events displace the oldest; "Show more" loads them again. */
const maxShown = 500;
/** The first load fetches up to four more pages until this many are shown. */
const enough = 10;

/** A year that is still being typed begins with zeros. */
const whole = (day: string): string => (day.startsWith('0') ? '' : day);

/** Reports of controllers about themselves, hidden from the default view. */
const controllerKinds: readonly AccessEvent['kind'][] = ['policyApplied', 'boot', 'clockChanged'];

/** Live access events, newest first. Create it during component initialization. */
export class EventFeed {
  /** Empty for all doors. */
  portalId = $state('');
  /** First and last day, as date fields have them; empty for no limit. */
  firstDay = $state('');
  lastDay = $state('');
  choice = $state<'doors' | 'granted' | 'denied' | 'all'>('doors');
  readonly kind = $derived(this.choice === 'granted' || this.choice === 'denied' ? this.choice : '');
  /** The days as a span of time; empty for no limit. */
  readonly from = $derived(fieldToIso(whole(this.firstDay)) ?? '');
  readonly to = $derived(lastDayToIso(whole(this.lastDay)) ?? '');
  readonly #memberId: string | undefined;
  readonly #list = new PagedList<AccessEvent>((cursor) => this.#fetchPage(cursor), {
    merge: (first) => this.#keepNewer(first),
  });
  readonly events = $derived(
    this.choice === 'doors'
      ? this.#list.items.filter(({ kind }) => !controllerKinds.includes(kind))
      : this.#list.items,
  );
  readonly hasMore = $derived(this.#list.nextCursor !== null);
  readonly loaded = $derived(this.#list.loaded);
  readonly more = this.#list.more;

  /** @param memberId limits the feed to one member */
  constructor(memberId: string | undefined) {
    this.#memberId = memberId;
    $effect(() => {
      void this.#filters();
      void this.#load();
    });
    reloadWhenStale(() => this.#load(), {
      on: ['access.backlog'],
      apply: (messages) => this.#add(messages),
    });
  }

  #filters() {
    return {
      ...(this.portalId === '' ? {} : { portalId: this.portalId }),
      ...(this.kind === '' ? {} : { kind: [this.kind] }),
      ...(this.from === '' ? {} : { from: this.from }),
      ...(this.to === '' ? {} : { to: this.to }),
      ...(this.#memberId === undefined ? {} : { memberId: this.#memberId }),
    };
  }

  #fetchPage(cursor: string | null) {
    const query = { limit: 25, ...this.#filters(), ...(cursor === null ? {} : { cursor }) };
    return api('get', '/api/access-control/events', { params: { query } });
  }

  async #load(): Promise<void> {
    await this.#list.load();
    for (let round = 0; round < 4 && this.hasMore && this.events.length < enough; round += 1)
      await this.#list.more();
  }

  #fits(event: AccessEvent): boolean {
    return (
      (this.portalId === '' || event.portal?.id === this.portalId) &&
      (this.kind === '' || event.kind === this.kind) &&
      (this.from === '' || Date.parse(event.at) >= Date.parse(this.from)) &&
      (this.to === '' || Date.parse(event.at) < Date.parse(this.to)) &&
      (this.#memberId === undefined || event.member?.id === this.#memberId)
    );
  }

  /** Keeps events that were announced while the page was being fetched. */
  #keepNewer({ items, nextCursor }: ListPage<AccessEvent>): ListPage<AccessEvent> {
    const newest = items[0]?.id ?? '';
    const newer = this.#list.items.filter((event) => this.#fits(event) && event.id > newest);
    return { items: [...newer, ...items], nextCursor };
  }

  #add(messages: readonly LiveMessage[]): void {
    const shown = new Set(this.#list.items.map(({ id }) => id));
    const added = messages.flatMap((message) =>
      message.topic === 'access.event' && this.#fits(message.data) && !shown.has(message.data.id)
        ? [message.data]
        : [],
    );
    if (added.length === 0) return;
    this.#list.items = [...added.toReversed(), ...this.#list.items];
    if (this.#list.items.length <= maxShown) return;
    this.#list.items = this.#list.items.slice(0, maxShown);
    // Event ids are cursors.
    this.#list.nextCursor = this.#list.items.at(-1)?.id ?? null;
  }
}
