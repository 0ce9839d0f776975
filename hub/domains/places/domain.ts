import { z } from 'zod';
import { type Domain, Question, type RunningDomain, Signal } from '#hub/domain.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import type { DataOf, TopicSpec } from '#hub/kernel/vocabulary.ts';
import { changeSchema } from '#hub/kernel/wire.ts';
import type { Transaction } from '#hub/store/store.ts';
import { placeProblems } from './problems.ts';
import { placeTables } from './repository.ts';
import { placeEndpoints } from './routes.ts';
import { type PlaceDeps, placeAnnouncement } from './workflow.ts';

/** Areas, opening hours or holidays have changed. */
export const placesChanged = new Signal<null>('places.placesChanged');
/** Lists the uses of an area (by id) in words: `door Front door`. An area in use cannot be removed. */
export const areaUses = new Question<string, readonly string[]>('places.areaUses');

const topics = {
  'area.changed': {
    permission: 'portal.read',
    text: 'An area was added, changed or removed',
    data: z.strictObject({ areaId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'hours.changed': {
    permission: 'rule.read',
    text: 'The opening hours of a week were set or removed',
    data: z.strictObject({ hoursId: idSchema, change: changeSchema }),
    lasting: true,
  },
  'holiday.changed': {
    permission: 'rule.read',
    text: 'A day with hours of its own was added, changed or removed',
    data: z.strictObject({ holidayId: idSchema, change: changeSchema }),
    lasting: true,
  },
} as const satisfies Readonly<Record<string, TopicSpec>>;

declare module '#hub/kernel/vocabulary.ts' {
  interface Topics extends DataOf<typeof topics> {}
  interface Refusals extends Record<keyof typeof placeProblems, true> {}
}

export interface RunningPlaces extends RunningDomain {
  readonly deps: PlaceDeps;
}

/** Areas, opening hours and holidays: doors stand on them. */
export const places: Domain<RunningPlaces> = {
  name: 'places',
  tables: placeTables,
  permissions: {},
  topics,
  problems: placeProblems,
  tags: {
    areas: 'Rooms and buildings, as a tree',
    'opening hours': 'Weekly hours and days that differ from them',
  },
  open(core) {
    const deps: PlaceDeps = {
      ...core,
      onPlacesChanged: (tx) => core.raise(tx, placesChanged, null),
      findAreaUses: async (reader, areaId) => (await core.askAll(reader, areaUses, areaId)).flat(),
    };
    const follow =
      (table: Parameters<typeof placeAnnouncement>[0]) =>
      async (tx: Transaction, ids: readonly string[]): Promise<void> => {
        await deps.onPlacesChanged(tx);
        for (const id of ids) await core.announceIn(tx, placeAnnouncement(table, id, 'changed'));
      };
    return {
      deps,
      endpoints: placeEndpoints(deps),
      afterReplication: {
        area: follow('area'),
        opening_hours: follow('opening_hours'),
        schedule_exception: follow('schedule_exception'),
      },
    };
  },
};
