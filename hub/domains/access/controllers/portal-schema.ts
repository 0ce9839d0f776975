import { z } from 'zod';
import { portalModeSchema, portalStateSchema } from '../schema.ts';

/** What a door does now, as its bridge last said; null while the bridge is not connected. */
export const portalLiveSchema = z.strictObject({
  state: portalStateSchema,
  mode: portalModeSchema,
  contactOpen: z.boolean().nullable(),
  strikeReleased: z.boolean(),
  since: z.iso.datetime(),
});
