import { stampToWire } from '#hub/store/entity-row.ts';
import type { AreaRow, HolidayRow, OpeningHoursRow } from './repository.ts';
import type { Area, Holiday, OpeningHours } from './schema.ts';

export const areaToWire = (row: AreaRow): Area => ({
  ...stampToWire(row),
  name: row.name,
  parentId: row.parentId,
});

export const hoursToWire = (row: OpeningHoursRow): OpeningHours => ({
  ...stampToWire(row),
  areaId: row.areaId,
  windows: [...row.windows],
});

export const holidayToWire = (row: HolidayRow): Holiday => ({
  ...stampToWire(row),
  date: row.date,
  name: row.name,
  areaId: row.areaId,
  windows: row.windows,
});
