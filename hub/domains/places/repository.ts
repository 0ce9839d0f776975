import type { Selectable } from 'kysely';
import type { z } from 'zod';
import type { StateColumns } from '#hub/store/database.ts';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import type { Reader } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import { scheduleExceptionSchema, type WeeklyWindow, weeklyWindowsSchema } from './schema.ts';

interface AreaTable extends StateColumns {
  name: string;
  parent_id: string | null;
}
interface OpeningHoursTable extends StateColumns {
  area_id: string | null;
  windows: string;
}
interface ScheduleExceptionTable extends StateColumns {
  date: string;
  name: string;
  area_id: string | null;
  windows: string;
}
declare module '#hub/store/database.ts' {
  interface Database {
    area: AreaTable;
    opening_hours: OpeningHoursTable;
    schedule_exception: ScheduleExceptionTable;
  }
}

const state = { class: 'state', owner: 'hub', personalColumns: [] } as const;

export const placeTables = {
  area: { ...state, called: 'Area', label: { column: 'name' }, managedBy: 'portal.manage' },
  opening_hours: { ...state, called: 'Opening hours', managedBy: 'portal.manage' },
  schedule_exception: {
    ...state,
    called: 'Day with hours of its own',
    label: { column: 'name' },
    managedBy: 'portal.manage',
  },
} as const satisfies Registrations;

export interface AreaRow extends RowStamp {
  readonly name: string;
  readonly parentId: string | null;
}
const toArea = (row: Selectable<AreaTable>): AreaRow => ({
  ...stampOf(row),
  name: row.name,
  parentId: row.parent_id,
});

/** All areas: there are tens. */
export async function findAreas(reader: Reader): Promise<AreaRow[]> {
  const rows = await reader
    .selectFrom('area')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('name')
    .execute();
  return rows.map(toArea);
}

export async function findArea(reader: Reader, id: string): Promise<AreaRow | null> {
  const row = await reader
    .selectFrom('area')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toArea(row) : null;
}

export interface OpeningHoursRow extends RowStamp {
  readonly areaId: string | null;
  readonly windows: readonly WeeklyWindow[];
}
const toOpeningHours = (row: Selectable<OpeningHoursTable>): OpeningHoursRow => ({
  ...stampOf(row),
  areaId: row.area_id,
  windows: weeklyWindowsSchema.parse(JSON.parse(row.windows)),
});
/** One row for each area that has hours of its own, and one for the site. */
export async function findOpeningHours(reader: Reader): Promise<OpeningHoursRow[]> {
  const rows = await reader
    .selectFrom('opening_hours')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toOpeningHours);
}

const exceptionWindowsSchema = scheduleExceptionSchema.shape.windows;
export interface HolidayRow extends RowStamp {
  readonly date: string;
  readonly name: string;
  readonly areaId: string | null;
  readonly windows: z.infer<typeof exceptionWindowsSchema>;
}
const toHoliday = (row: Selectable<ScheduleExceptionTable>): HolidayRow => ({
  ...stampOf(row),
  date: row.date,
  name: row.name,
  areaId: row.area_id,
  windows: exceptionWindowsSchema.parse(JSON.parse(row.windows)),
});
/** Days from `fromDate` (ISO) on, in order; bounded by `maxHolidays`. */
export async function findHolidays(reader: Reader, fromDate: string): Promise<HolidayRow[]> {
  const rows = await reader
    .selectFrom('schedule_exception')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .where('date', '>=', fromDate)
    .orderBy('date')
    .orderBy('id')
    .execute();
  return rows.map(toHoliday);
}

export async function findHoliday(reader: Reader, id: string): Promise<HolidayRow | null> {
  const row = await reader
    .selectFrom('schedule_exception')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toHoliday(row) : null;
}
