import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { entityShape, nameSchema, versionField } from '#hub/kernel/wire.ts';

const minuteOfDay = z.number().int().min(0).max(1440).meta({ description: 'Minutes since local midnight' });

/** A weekly window. It starts on `weekday` (1 Monday .. 7 Sunday); `end <= start` means it ends the next day. */
export const weeklyWindowSchema = z
  .strictObject({
    weekday: z.number().int().min(1).max(7),
    startMinute: minuteOfDay.max(1439),
    endMinute: minuteOfDay,
  })
  .meta({ description: 'Weekly window in the wall clock of the site' });
export type WeeklyWindow = z.infer<typeof weeklyWindowSchema>;
export const weeklyWindowsSchema = z.array(weeklyWindowSchema).max(100);

export const isoDateSchema = z.iso.date();

/** A day that differs from the weekly opening hours: closed when `windows` is empty. */
export const scheduleExceptionSchema = z.strictObject({
  date: isoDateSchema,
  name: z.string().min(1).max(100),
  /** null = the whole site. */
  areaId: z.string().nullable(),
  windows: z.array(z.strictObject({ startMinute: minuteOfDay.max(1439), endMinute: minuteOfDay })).max(20),
});
export type ScheduleException = z.infer<typeof scheduleExceptionSchema>;

export const areaSchema = z.strictObject({
  ...entityShape,
  name: nameSchema,
  parentId: idSchema.nullable(),
});
export type Area = z.infer<typeof areaSchema>;
export const areaCreateSchema = z.strictObject({ name: nameSchema, parentId: idSchema.nullable() });
export const areaPatchSchema = z.strictObject({
  ...versionField,
  name: nameSchema.optional(),
  parentId: idSchema.nullable().optional(),
});

export const openingHoursSchema = z.strictObject({
  ...entityShape,
  areaId: idSchema.nullable(),
  windows: weeklyWindowsSchema,
});
export type OpeningHours = z.infer<typeof openingHoursSchema>;
/** Sets the week of one area or, with `areaId` null, of the site. No windows at all: always closed. */
export const openingHoursPutSchema = z.strictObject({
  areaId: idSchema.nullable(),
  windows: weeklyWindowsSchema,
});

export const holidaySchema = z.strictObject({ ...entityShape, ...scheduleExceptionSchema.shape });
export type Holiday = z.infer<typeof holidaySchema>;
export const holidayCreateSchema = scheduleExceptionSchema.extend({
  areaId: idSchema.nullable().default(null),
  windows: scheduleExceptionSchema.shape.windows.default([]),
});
export const holidayPatchSchema = z.strictObject({
  ...versionField,
  date: isoDateSchema.optional(),
  name: nameSchema.optional(),
  windows: scheduleExceptionSchema.shape.windows.optional(),
});
