import type { Area, Holiday, OpeningHours } from '#hub/domains/places/schema.ts';
import { api } from '../../live/api.ts';
import { keepLoaded } from '../../state/loaded.svelte.ts';
import { session } from '../../state/session.svelte.ts';
import { toDateField } from '../../state/time-format.ts';
import { removeWithUndo } from '../../state/toasts.svelte.ts';

interface Found {
  readonly areas: readonly Area[];
  readonly hours: readonly OpeningHours[];
  readonly holidays: readonly Holiday[];
}

const dayMs = 86_400_000;

async function fetchPlaces(): Promise<Found> {
  const query = { from: toDateField(Date.now() - dayMs) };
  const [areas, hours, holidays] = await Promise.all([
    session.can('portal.read') ? api('get', '/api/access-control/areas') : { items: [] },
    api('get', '/api/access-control/opening-hours'),
    api('get', '/api/access-control/holidays', { params: { query } }),
  ]);
  return {
    areas: areas.items,
    hours: hours.items,
    holidays: holidays.items.toSorted((left, right) => left.date.localeCompare(right.date)),
  };
}

/** Areas, opening hours and holidays of the site, kept up to date. Create it during component initialization. */
export class Places {
  readonly #found = keepLoaded<Found>({ areas: [], hours: [], holidays: [] }, fetchPlaces, {
    on: ['area.changed', 'hours.changed', 'holiday.changed'],
  });
  readonly load = this.#found.load;

  get areas(): readonly Area[] {
    return this.#found.value.areas;
  }
  get hours(): readonly OpeningHours[] {
    return this.#found.value.hours;
  }
  get holidays(): readonly Holiday[] {
    return this.#found.value.holidays;
  }
  get loaded(): boolean {
    return this.#found.loaded;
  }

  areaName(id: string): string {
    return this.areas.find((area) => area.id === id)?.name ?? 'removed area';
  }

  /** Names an area; null is the site itself. */
  placeName(areaId: string | null): string {
    return areaId === null ? 'The whole site' : this.areaName(areaId);
  }

  removeHours({ id, areaId, windows }: OpeningHours): Promise<boolean> {
    return removeWithUndo({
      done: 'The opening hours are removed.',
      remove: () => api('delete', '/api/access-control/opening-hours/{id}', { params: { path: { id } } }),
      restore: () => api('put', '/api/access-control/opening-hours', { body: { areaId, windows } }),
      load: this.load,
    });
  }

  removeHoliday({ id, date, name, areaId, windows }: Holiday): Promise<boolean> {
    return removeWithUndo({
      done: `${name} is removed.`,
      remove: () => api('delete', '/api/access-control/holidays/{id}', { params: { path: { id } } }),
      restore: () => api('post', '/api/access-control/holidays', { body: { date, name, areaId, windows } }),
      load: this.load,
    });
  }

  removeArea({ id, name, parentId }: Area): Promise<boolean> {
    return removeWithUndo({
      done: `The area ${name} is removed.`,
      remove: () => api('delete', '/api/access-control/areas/{id}', { params: { path: { id } } }),
      restore: () => api('post', '/api/access-control/areas', { body: { name, parentId } }),
      load: this.load,
    });
  }
}
