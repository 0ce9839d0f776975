import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse, unreachable } from '#hub/kernel/result.ts';
import type { Change } from '#hub/kernel/wire.ts';
import type { LastingAnnouncement } from '#hub/store/announce.ts';
import type { RowMissing, StaleVersion, Transaction } from '#hub/store/store.ts';
import type { AccessParts } from './parts.ts';
import {
  findArea,
  findAreas,
  findHoliday,
  findHolidays,
  findOpeningHours,
  findPortal,
  findPortals,
  findRules,
  portalChanges,
} from './place-repository.ts';
import { makesCycle } from './place-rules.ts';
import type {
  Area,
  areaCreateSchema,
  areaPatchSchema,
  Holiday,
  holidayCreateSchema,
  holidayPatchSchema,
  OpeningHours,
  openingHoursPutSchema,
  Portal,
  portalPatchSchema,
} from './place-schema.ts';
import { areaToWire, holidayToWire, hoursToWire, loadPortal } from './place-view.ts';
import { portalSettingsSchema } from './schema.ts';

/** Bounds of a policy's document. */
const maxAreas = 500;
const maxHolidays = 2_000;

export interface FieldRefusal<Code extends string> extends Refusal<Code> {
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
}
const fieldRefusal = <Code extends string>(
  code: Code,
  field: string,
  message: string,
): FieldRefusal<Code> => ({
  code,
  errors: [{ pointer: `/body/${field}`, message }],
});

/** Takes a write of a row that was read in the same transaction, so that it cannot be refused. */
export function assertWritten(written: Result<unknown, StaleVersion | RowMissing>): void {
  assert(written.ok, 'a row that was read in the same transaction is there');
}

type PlaceTable = 'area' | 'portal' | 'access_rule' | 'opening_hours' | 'schedule_exception';

/** What every change of a place ends with: audit, the doors' new rules, live pages. */
export async function followPlaceChange(
  parts: AccessParts,
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
  await parts.keeper.refreshDocuments(tx);
  await parts.announceIn(tx, placeAnnouncement(table, id, changeOf(action)));
}

const changeByVerb: Readonly<Record<string, Change>> = { create: 'created', remove: 'removed' };
const changeOf = (action: string): Change => changeByVerb[action.split('.').at(-1) ?? ''] ?? 'changed';

function placeAnnouncement(table: PlaceTable, id: string, change: Change): LastingAnnouncement {
  switch (table) {
    case 'area':
      return { topic: 'area.changed', data: { areaId: id, change } };
    case 'portal':
      return { topic: 'portal.changed', data: { portalId: id, change } };
    case 'access_rule':
      return { topic: 'rule.changed', data: { ruleId: id, change } };
    case 'opening_hours':
      return { topic: 'hours.changed', data: { hoursId: id, change } };
    case 'schedule_exception':
      return { topic: 'holiday.changed', data: { holidayId: id, change } };
    default:
      return unreachable(table);
  }
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
  parts: AccessParts,
  actor: Actor,
  body: z.output<typeof areaCreateSchema>,
): Promise<Result<Area, AreaRefusal>> {
  return parts.store.transact('area.create', async (tx) => {
    if ((await findAreas(tx)).length >= maxAreas) return refuse({ code: 'tooManyAreas' });
    const id = parts.newId();
    const refusal = await checkArea(tx, { id, ...body });
    if (refusal !== null) return refuse(refusal);
    await tx.insert('area', { id, name: body.name, parent_id: body.parentId });
    await followPlaceChange(parts, tx, actor, { action: 'area.create', table: 'area', id, payload: body });
    return ok(await showArea(tx, id));
  });
}

async function showArea(tx: Transaction, id: string): Promise<Area> {
  const row = await findArea(tx, id);
  assert(row !== null, 'an area that was just written is there');
  return areaToWire(row);
}

export interface Stale<T> extends Refusal<'staleVersion'> {
  readonly current: T;
}

export function changeArea(
  parts: AccessParts,
  actor: Actor,
  id: string,
  body: z.output<typeof areaPatchSchema>,
): Promise<Result<Area, AreaRefusal | Refusal<'areaNotFound'> | Stale<Area>>> {
  return parts.store.transact('area.change', async (tx) => {
    const row = await findArea(tx, id);
    if (row === null) return refuse({ code: 'areaNotFound' });
    if (row.version !== body.version) return refuse({ code: 'staleVersion', current: areaToWire(row) });
    const name = body.name ?? row.name;
    const parentId = body.parentId === undefined ? row.parentId : body.parentId;
    const refusal = await checkArea(tx, { id, name, parentId });
    if (refusal !== null) return refuse(refusal);
    assertWritten(await tx.write('area', id, { name, parent_id: parentId }));
    const payload = { name, parentId };
    await followPlaceChange(parts, tx, actor, { action: 'area.change', table: 'area', id, payload });
    return ok(await showArea(tx, id));
  });
}

export interface AreaInUse extends Refusal<'areaInUse'> {
  /** What still stands on it. */
  readonly uses: readonly string[];
  readonly nextStep: string;
}

export function removeArea(
  parts: AccessParts,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'areaNotFound'> | AreaInUse>> {
  return parts.store.transact('area.remove', async (tx) => {
    const row = await findArea(tx, id);
    if (row === null) return refuse({ code: 'areaNotFound' });
    const uses = [
      ...(await findAreas(tx)).filter((area) => area.parentId === id).map((area) => `area ${area.name}`),
      ...(await findPortals(tx)).filter((portal) => portal.areaId === id).map(({ name }) => `door ${name}`),
      ...(await findRules(tx))
        .filter((rule) => rule.target.kind === 'area' && rule.target.id === id)
        .map((rule) => `rule ${rule.name}`),
      ...(await findOpeningHours(tx)).filter((hours) => hours.areaId === id).map(() => 'opening hours'),
      ...(await findHolidays(tx, '')).filter((day) => day.areaId === id).map((day) => `holiday ${day.name}`),
    ];
    if (uses.length > 0)
      return refuse({ code: 'areaInUse', uses: uses.slice(0, 20), nextStep: 'Move or remove these first.' });
    await tx.remove('area', id);
    const payload = { name: row.name };
    await followPlaceChange(parts, tx, actor, { action: 'area.remove', table: 'area', id, payload });
    return ok(null);
  });
}

export type PortalRefusal =
  | Refusal<'portalNotFound'>
  | Stale<Portal>
  | FieldRefusal<'areaUnknown' | 'settingsInvalid'>;

async function showPortal(parts: AccessParts, tx: Transaction, id: string): Promise<Portal> {
  const portal = await loadPortal(parts, tx, id);
  assert(portal !== null, 'a portal that was just written is there');
  return portal;
}

export function changePortal(
  parts: AccessParts,
  actor: Actor,
  id: string,
  body: z.output<typeof portalPatchSchema>,
): Promise<Result<Portal, PortalRefusal>> {
  return parts.store.transact('portal.change', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    if (row.version !== body.version)
      return refuse({ code: 'staleVersion', current: await showPortal(parts, tx, id) });
    if (body.areaId !== undefined && body.areaId !== null && (await findArea(tx, body.areaId)) === null)
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    const given = Object.entries(body.settings ?? {}).filter(([, value]) => value !== undefined);
    const settings = portalSettingsSchema.parse({ ...row.settings, ...Object.fromEntries(given) });
    if (settings.preAlarmSeconds >= settings.heldOpenSeconds)
      return refuse(
        fieldRefusal(
          'settingsInvalid',
          'settings/preAlarmSeconds',
          `must be less than heldOpenSeconds (${settings.heldOpenSeconds}); 0 = no warning`,
        ),
      );
    const changes = {
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.areaId === undefined ? {} : { areaId: body.areaId }),
      ...(body.walkSeconds === undefined ? {} : { walkSeconds: body.walkSeconds }),
      settings,
    };
    assertWritten(await tx.write('portal', id, portalChanges(changes)));
    const payload = {
      name: body.name ?? row.name,
      walkSeconds: body.walkSeconds ?? row.walkSeconds,
      settings: { ...settings, schedule: settings.schedule.length },
    };
    await followPlaceChange(parts, tx, actor, { action: 'portal.change', table: 'portal', id, payload });
    return ok(await showPortal(parts, tx, id));
  });
}

/** Only a door that its bridge no longer has can go: else it would come back with the next hello. */
export function removePortal(
  parts: AccessParts,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'portalNotFound'> | Refusal<'portalAnnounced'>>> {
  return parts.store.transact('portal.remove', async (tx) => {
    const row = await findPortal(tx, id);
    if (row === null) return refuse({ code: 'portalNotFound' });
    const announced = parts.live.get(row.bridgeId)?.hello.portals ?? [];
    if (announced.some((portal) => portal.key === row.key)) return refuse({ code: 'portalAnnounced' });
    for (const rule of await findRules(tx))
      if (rule.target.kind === 'portal' && rule.target.id === id) await tx.remove('access_rule', rule.id);
    await tx.remove('portal', id);
    const payload = { name: row.name, key: row.key };
    await followPlaceChange(parts, tx, actor, { action: 'portal.remove', table: 'portal', id, payload });
    return ok(null);
  });
}

/** Sets the week of an area, or of the site. */
export function putOpeningHours(
  parts: AccessParts,
  actor: Actor,
  body: z.output<typeof openingHoursPutSchema>,
): Promise<Result<OpeningHours, FieldRefusal<'areaUnknown'>>> {
  return parts.store.transact('hours.put', async (tx) => {
    if (body.areaId !== null && (await findArea(tx, body.areaId)) === null)
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    const ofArea = async () => (await findOpeningHours(tx)).find((hours) => hours.areaId === body.areaId);
    const windows = JSON.stringify(body.windows);
    const before = await ofArea();
    const id = before?.id ?? parts.newId();
    if (before === undefined) await tx.insert('opening_hours', { id, area_id: body.areaId, windows });
    else assertWritten(await tx.write('opening_hours', id, { windows }));
    const payload = { areaId: body.areaId, windows: body.windows };
    await followPlaceChange(parts, tx, actor, { action: 'hours.put', table: 'opening_hours', id, payload });
    const written = await ofArea();
    assert(written !== undefined, 'hours that were just written are there');
    return ok(hoursToWire(written));
  });
}

/** The area follows its parent again; without hours of the site it is always open. */
export function removeOpeningHours(
  parts: AccessParts,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'hoursNotFound'>>> {
  return parts.store.transact('hours.remove', async (tx) => {
    const row = (await findOpeningHours(tx)).find((hours) => hours.id === id);
    if (row === undefined) return refuse({ code: 'hoursNotFound' });
    await tx.remove('opening_hours', id);
    const payload = { areaId: row.areaId };
    await followPlaceChange(parts, tx, actor, {
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
  parts: AccessParts,
  actor: Actor,
  body: z.output<typeof holidayCreateSchema>,
): Promise<Result<Holiday, HolidayRefusal>> {
  return parts.store.transact('holiday.create', async (tx) => {
    const all = await findHolidays(tx, '');
    if (all.length >= maxHolidays) return refuse({ code: 'tooManyHolidays' });
    if (body.areaId !== null && (await findArea(tx, body.areaId)) === null)
      return refuse(fieldRefusal('areaUnknown', 'areaId', 'is no area: choose one of the list, or none'));
    if (all.some((day) => day.date === body.date && day.areaId === body.areaId))
      return refuse(fieldRefusal('dayTaken', 'date', 'has an entry already: change that one'));
    const id = parts.newId();
    await tx.insert('schedule_exception', {
      id,
      date: body.date,
      name: body.name,
      area_id: body.areaId,
      windows: JSON.stringify(body.windows),
    });
    await followPlaceChange(parts, tx, actor, {
      action: 'holiday.create',
      table: 'schedule_exception',
      id,
      payload: body,
    });
    return ok(await showHoliday(tx, id));
  });
}

async function showHoliday(tx: Transaction, id: string): Promise<Holiday> {
  const row = await findHoliday(tx, id);
  assert(row !== null, 'a holiday that was just written is there');
  return holidayToWire(row);
}

export function changeHoliday(
  parts: AccessParts,
  actor: Actor,
  id: string,
  body: z.output<typeof holidayPatchSchema>,
): Promise<Result<Holiday, FieldRefusal<'dayTaken'> | Refusal<'holidayNotFound'> | Stale<Holiday>>> {
  return parts.store.transact('holiday.change', async (tx) => {
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
    await followPlaceChange(parts, tx, actor, {
      action: 'holiday.change',
      table: 'schedule_exception',
      id,
      payload,
    });
    return ok(await showHoliday(tx, id));
  });
}

export function removeHoliday(
  parts: AccessParts,
  actor: Actor,
  id: string,
): Promise<Result<null, Refusal<'holidayNotFound'>>> {
  return parts.store.transact('holiday.remove', async (tx) => {
    const row = await findHoliday(tx, id);
    if (row === null) return refuse({ code: 'holidayNotFound' });
    await tx.remove('schedule_exception', id);
    const payload = { date: row.date, name: row.name };
    await followPlaceChange(parts, tx, actor, {
      action: 'holiday.remove',
      table: 'schedule_exception',
      id,
      payload,
    });
    return ok(null);
  });
}
