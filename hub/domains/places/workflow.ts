import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse, unreachable } from '#hub/kernel/result.ts';
import type { Change } from '#hub/kernel/wire.ts';
import type { AnnounceIn, LastingAnnouncement } from '#hub/store/announce.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import { assertWritten, type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import {
  type AreaRow,
  findArea,
  findAreas,
  findHoliday,
  findHolidays,
  findOpeningHours,
  type HolidayRow,
  type OpeningHoursRow,
} from './repository.ts';
import { makesCycle } from './rules.ts';
import type {
  Area,
  areaCreateSchema,
  areaPatchSchema,
  Holiday,
  holidayCreateSchema,
  holidayPatchSchema,
  OpeningHours,
  openingHoursPutSchema,
} from './schema.ts';
import { areaToWire, holidayToWire, hoursToWire } from './view.ts';

/** Bounds of what a policy's document may hold. */
const maxAreas = 500;
const maxHolidays = 2_000;

export interface PlaceDeps {
  readonly store: Store;
  readonly newId: () => string;
  readonly announceIn: AnnounceIn;
  /** Inside the transaction that changes areas, hours or holidays. */
  readonly onPlacesChanged: (tx: Transaction) => Promise<void>;
  /** What other domains have at an area, in words: `door Front door`. */
  readonly findAreaUses: (reader: Reader, areaId: string) => Promise<readonly string[]>;
}

/** All areas: there are tens. */
export const loadAreas = (reader: Reader): Promise<readonly AreaRow[]> => findAreas(reader);

export const areaExists = async (reader: Reader, areaId: string): Promise<boolean> =>
  (await findArea(reader, areaId)) !== null;

/** One row for each area that has hours of its own, and one for the site. */
export const loadOpeningHours = (reader: Reader): Promise<readonly OpeningHoursRow[]> =>
  findOpeningHours(reader);

/** Days with hours of their own from `fromDate` (ISO) on, in order. */
export const loadHolidays = (reader: Reader, fromDate: string): Promise<readonly HolidayRow[]> =>
  findHolidays(reader, fromDate);

type PlaceTable = 'area' | 'opening_hours' | 'schedule_exception';

/** Finishes a change of a place: records it in the audit log, tells the domains above and live pages. */
async function followPlaceChange(
  deps: Pick<PlaceDeps, 'announceIn' | 'onPlacesChanged'>,
  tx: Transaction,
  actor: Actor,
  change: {
    readonly action: string;
    readonly table: PlaceTable;
    readonly id: string;
    readonly payload: Parameters<typeof recordAudit>[1]['payload'];
  },
): Promise<void> {
  const { action, table, id, payload } = change;
  await recordAudit(tx, { actor, action, target: { table, id }, payload });
  await deps.onPlacesChanged(tx);
  await deps.announceIn(tx, placeAnnouncement(table, id, changeOf(action)));
}

const changeByVerb: Readonly<Record<string, Change>> = { create: 'created', remove: 'removed' };
const changeOf = (action: string): Change => changeByVerb[action.split('.').at(-1) ?? ''] ?? 'changed';

/** The announcement of a change to a row of one of these tables. */
export function placeAnnouncement(table: PlaceTable, id: string, change: Change): LastingAnnouncement {
  switch (table) {
    case 'area':
      return { topic: 'area.changed', data: { areaId: id, change } };
    case 'opening_hours':
      return { topic: 'hours.changed', data: { hoursId: id, change } };
    case 'schedule_exception':
      return { topic: 'holiday.changed', data: { holidayId: id, change } };
    default:
      return unreachable(table);
  }
}

/** Adds an area inside a transaction that has checked it. */
export async function insertArea(
  deps: Pick<PlaceDeps, 'announceIn' | 'onPlacesChanged'>,
  tx: Transaction,
  actor: Actor,
  area: { readonly id: string; readonly name: string; readonly parentId: string | null },
): Promise<void> {
  const { id, ...payload } = area;
  await tx.insert('area', { id, name: area.name, parent_id: area.parentId });
  await followPlaceChange(deps, tx, actor, { action: 'area.create', table: 'area', id, payload });
}

async function isAreaNameTaken(
  tx: Transaction,
  name: string,
  parentId: string | null,
  ownId: string | null,
): Promise<boolean> {
  const wanted = name.toLowerCase();
  return (await findAreas(tx)).some(
    (area) => area.id !== ownId && area.parentId === parentId && area.name.toLowerCase() === wanted,
  );
}

export type AreaRefusal =
  | FieldRefusal<'areaNameTaken' | 'areaUnknown' | 'areaCycle'>
  | Refusal<'tooManyAreas'>;

async function checkArea(
  tx: Transaction,
  area: { readonly id: string; readonly name: string; readonly parentId: string | null },
): Promise<AreaRefusal | null> {
  const areas = await findAreas(tx);
  const parents = Object.fromEntries(areas.map((row) => [row.id, row.parentId]));
  if (area.parentId !== null && !(area.parentId in parents))
    return fieldRefusal('areaUnknown', 'parentId', 'is no area: choose one of the list, or none');
  if (makesCycle(area.id, area.parentId, parents))
    return fieldRefusal('areaCycle', 'parentId', 'lies inside this area: an area cannot contain itself');
  if (await isAreaNameTaken(tx, area.name, area.parentId, area.id))
    return fieldRefusal('areaNameTaken', 'name', 'is the name of another area at this place');
  return null;
}

export function createArea(
  deps: PlaceDeps,
  actor: Actor,
  body: z.output<typeof areaCreateSchema>,
): Promise<Result<Area, AreaRefusal>> {
  return deps.store.transact('area.create', async (tx) => {
    if ((await findAreas(tx)).length >= maxAreas) return refuse({ code: 'tooManyAreas' });
    const id = deps.newId();
    const refusal = await checkArea(tx, { id, ...body });
    if (refusal !== null) return refuse(refusal);
    await insertArea(deps, tx, actor, { id, ...body });
    return ok(await loadArea(tx, id));
  });
}

async function loadArea(tx: Transaction, id: string): Promise<Area> {
  const row = await findArea(tx, id);
  assert(row !== null, 'an area that was just written is there');
  return areaToWire(row);
}

export function changeArea(
  deps: PlaceDeps,
  actor: Actor,
  id: string,
  body: z.output<typeof areaPatchSchema>,
): Promise<Result<Area, AreaRefusal | Refusal<'areaNotFound'> | Stale<Area>>> {
  return deps.store.transact('area.change', async (tx) => {
    const row = await findArea(tx, id);
    if (row === null) return refuse({ code: 'areaNotFound' });
    if (row.version !== body.version) return refuse({ code: 'staleVersion', current: areaToWire(row) });
    const name = body.name ?? row.name;
    const parentId = body.parentId === undefined ? row.parentId : body.parentId;
    const refusal = await checkArea(tx, { id, name, parentId });
    if (refusal !== null) return refuse(refusal);
    assertWritten(await tx.write('area', id, { name, parent_id: parentId }));
    const payload = { name, parentId };
    await followPlaceChange(deps, tx, actor, { action: 'area.change', table: 'area', id, payload });
    return ok(await loadArea(tx, id));
  });
}

export interface AreaInUse extends Refusal<'areaInUse'> {
  /** The remaining uses of the area. */
  readonly uses: readonly string[];
  readonly nextStep: string;
}

export function removeArea(
  deps: PlaceDeps,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'areaNotFound'> | AreaInUse>> {
  return deps.store.transact('area.remove', async (tx) => {
    const row = await findArea(tx, id);
    if (row === null) return refuse({ code: 'areaNotFound' });
    const uses = [
      ...(await findAreas(tx)).filter((area) => area.parentId === id).map((area) => `area ${area.name}`),
      ...(await deps.findAreaUses(tx, id)),
      ...(await findOpeningHours(tx)).filter((hours) => hours.areaId === id).map(() => 'opening hours'),
      ...(await findHolidays(tx, '')).filter((day) => day.areaId === id).map((day) => `holiday ${day.name}`),
    ];
    if (uses.length > 0)
      return refuse({ code: 'areaInUse', uses: uses.slice(0, 20), nextStep: 'Move or remove these first.' });
    await tx.remove('area', id);
    const payload = { name: row.name };
    await followPlaceChange(deps, tx, actor, { action: 'area.remove', table: 'area', id, payload });
    return ok(null);
  });
}

/** Sets the week of an area, or of the site. */
export function putOpeningHours(
  deps: PlaceDeps,
  actor: Actor,
  body: z.output<typeof openingHoursPutSchema>,
): Promise<Result<OpeningHours, FieldRefusal<'areaUnknown'>>> {
  return deps.store.transact('hours.put', async (tx) => {
    if (body.areaId !== null && (await findArea(tx, body.areaId)) === null)
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    const ofArea = async () => (await findOpeningHours(tx)).find((hours) => hours.areaId === body.areaId);
    const windows = JSON.stringify(body.windows);
    const before = await ofArea();
    const id = before?.id ?? deps.newId();
    if (before === undefined) await tx.insert('opening_hours', { id, area_id: body.areaId, windows });
    else assertWritten(await tx.write('opening_hours', id, { windows }));
    const payload = { areaId: body.areaId, windows: body.windows };
    await followPlaceChange(deps, tx, actor, { action: 'hours.put', table: 'opening_hours', id, payload });
    const written = await ofArea();
    assert(written !== undefined, 'hours that were just written are there');
    return ok(hoursToWire(written));
  });
}

/** The area follows its parent again; without hours of the site it is always open. */
export function removeOpeningHours(
  deps: PlaceDeps,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'hoursNotFound'>>> {
  return deps.store.transact('hours.remove', async (tx) => {
    const row = (await findOpeningHours(tx)).find((hours) => hours.id === id);
    if (row === undefined) return refuse({ code: 'hoursNotFound' });
    await tx.remove('opening_hours', id);
    const payload = { areaId: row.areaId };
    await followPlaceChange(deps, tx, actor, {
      action: 'hours.remove',
      table: 'opening_hours',
      id,
      payload,
    });
    return ok(null);
  });
}

export type HolidayRefusal = FieldRefusal<'areaUnknown' | 'dayTaken'> | Refusal<'tooManyHolidays'>;

export function createHoliday(
  deps: PlaceDeps,
  actor: Actor,
  body: z.output<typeof holidayCreateSchema>,
): Promise<Result<Holiday, HolidayRefusal>> {
  return deps.store.transact('holiday.create', async (tx) => {
    const all = await findHolidays(tx, '');
    if (all.length >= maxHolidays) return refuse({ code: 'tooManyHolidays' });
    if (body.areaId !== null && (await findArea(tx, body.areaId)) === null)
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    if (all.some((day) => day.date === body.date && day.areaId === body.areaId))
      return refuse(fieldRefusal('dayTaken', 'date', 'has an entry already: change that one'));
    const id = deps.newId();
    await tx.insert('schedule_exception', {
      id,
      date: body.date,
      name: body.name,
      area_id: body.areaId,
      windows: JSON.stringify(body.windows),
    });
    await followPlaceChange(deps, tx, actor, {
      action: 'holiday.create',
      table: 'schedule_exception',
      id,
      payload: body,
    });
    return ok(await loadHoliday(tx, id));
  });
}

async function loadHoliday(tx: Transaction, id: string): Promise<Holiday> {
  const row = await findHoliday(tx, id);
  assert(row !== null, 'a holiday that was just written is there');
  return holidayToWire(row);
}

export function changeHoliday(
  deps: PlaceDeps,
  actor: Actor,
  id: string,
  body: z.output<typeof holidayPatchSchema>,
): Promise<Result<Holiday, FieldRefusal<'dayTaken'> | Refusal<'holidayNotFound'> | Stale<Holiday>>> {
  return deps.store.transact('holiday.change', async (tx) => {
    const row = await findHoliday(tx, id);
    if (row === null) return refuse({ code: 'holidayNotFound' });
    if (row.version !== body.version) return refuse({ code: 'staleVersion', current: holidayToWire(row) });
    const date = body.date ?? row.date;
    const clash = (await findHolidays(tx, date)).some(
      (day) => day.id !== id && day.date === date && day.areaId === row.areaId,
    );
    if (clash) return refuse(fieldRefusal('dayTaken', 'date', 'has an entry already: change that one'));
    const name = body.name ?? row.name;
    const windows = body.windows ?? row.windows;
    assertWritten(await tx.write('schedule_exception', id, { date, name, windows: JSON.stringify(windows) }));
    const payload = { date, name, windows };
    await followPlaceChange(deps, tx, actor, {
      action: 'holiday.change',
      table: 'schedule_exception',
      id,
      payload,
    });
    return ok(await loadHoliday(tx, id));
  });
}

export function removeHoliday(
  deps: PlaceDeps,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'holidayNotFound'>>> {
  return deps.store.transact('holiday.remove', async (tx) => {
    const row = await findHoliday(tx, id);
    if (row === null) return refuse({ code: 'holidayNotFound' });
    await tx.remove('schedule_exception', id);
    const payload = { date: row.date, name: row.name };
    await followPlaceChange(deps, tx, actor, {
      action: 'holiday.remove',
      table: 'schedule_exception',
      id,
      payload,
    });
    return ok(null);
  });
}
