import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireDate } from '#hub/kernel/moment.ts';
import { nameSchema } from '#hub/kernel/text.ts';
import { entityShape, versionField } from '#hub/kernel/wire.ts';
import { type DayWindow, windowErrors } from './rules.ts';

const minuteOfDay = z.number().int().min(0).max(1440).meta({ description: 'Minutes since local midnight' });

/** A weekly window. It starts on `weekday` (1 Monday .. 7 Sunday); `end <= start` means it ends the next day. */
export const weeklyWindowSchema = z
  .strictObject({
    weekday: z.number().int().min(1).max(7),
    startMinute: minuteOfDay.max(1439),
    endMinute: minuteOfDay,
  })
  .meta({
    description: 'Weekly window in the wall clock of the site; it ends in another minute than it starts',
    examples: [{ weekday: 1, startMinute: 540, endMinute: 1080 }],
  });
export type WeeklyWindow = z.infer<typeof weeklyWindowSchema>;
export const weeklyWindowsSchema = z.array(weeklyWindowSchema).max(100);

/** Names each window without length, at its end. */
function checkWindows(
  windows: readonly DayWindow[],
  context: z.core.$RefinementCtx<readonly DayWindow[]>,
): void {
  for (const { index, message } of windowErrors(windows))
    context.addIssue({ code: 'custom', path: [index, 'endMinute'], message });
}

/** Windows as they are written: stored ones may be without length. */
export const writtenWindowsSchema = weeklyWindowsSchema.superRefine(checkWindows);

const dayWindowSchema = z
  .strictObject({ startMinute: minuteOfDay.max(1439), endMinute: minuteOfDay })
  .meta({ examples: [{ startMinute: 600, endMinute: 840 }] });

/** A day that differs from the weekly opening hours: closed when `windows` is empty. */
export const scheduleExceptionSchema = z.strictObject({
  date: z.iso.date(),
  name: z.string().min(1).max(100),
  /** null = the whole site. */
  areaId: z.string().nullable(),
  windows: z.array(dayWindowSchema).max(20),
});
export type ScheduleException = z.infer<typeof scheduleExceptionSchema>;

export const areaSchema = z.strictObject({
  ...entityShape,
  name: z.string(),
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
  windows: writtenWindowsSchema,
});

export const holidaySchema = z.strictObject({ ...entityShape, ...scheduleExceptionSchema.shape });
export type Holiday = z.infer<typeof holidaySchema>;
const writtenDayWindowsSchema = scheduleExceptionSchema.shape.windows.superRefine(checkWindows);
export const holidayCreateSchema = scheduleExceptionSchema.extend({
  date: wireDate,
  name: nameSchema,
  areaId: idSchema.nullable().default(null),
  windows: writtenDayWindowsSchema.default([]),
});
export const holidayPatchSchema = z.strictObject({
  ...versionField,
  date: wireDate.optional(),
  name: nameSchema.optional(),
  windows: writtenDayWindowsSchema.optional(),
});
