import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { nameSchema } from '#hub/kernel/text.ts';
import { entityShape, versionField } from '#hub/kernel/wire.ts';
import { portalLiveSchema } from '../controllers/portal-schema.ts';
import {
  defaultPortalSettings,
  portalOverrideSchema,
  portalSettingsPatchSchema,
  portalSettingsSchema,
} from '../schema.ts';

export const walkSecondsSchema = z.number().int().min(0).max(3600).meta({
  description:
    'Seconds that anybody needs at least from here to the nearest other door; a card that is read at two doors sooner is reported as perhaps copied. 0: not known, nothing is reported',
});

export const portalSchema = z
  .strictObject({
    ...entityShape,
    bridgeId: idSchema,
    key: z.string(),
    name: z.string(),
    areaId: idSchema.nullable(),
    walkSeconds: walkSecondsSchema,
    settings: portalSettingsSchema,
    override: portalOverrideSchema.nullable(),
    readers: z.array(z.strictObject({ id: z.string(), key: z.string() })),
    connected: z.boolean(),
    live: portalLiveSchema.nullable(),
    /** False while the bridge has not yet confirmed the rules and settings that are meant to hold. */
    applied: z.boolean(),
  })
  .meta({
    id: 'Portal',
    examples: [
      {
        id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a5001',
        version: 4,
        createdAt: '2026-03-02T09:00:00.000Z',
        updatedAt: '2026-11-20T16:03:11.000Z',
        bridgeId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001',
        key: 'front',
        name: 'Front door',
        areaId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a8001',
        walkSeconds: 20,
        settings: defaultPortalSettings,
        override: null,
        readers: [{ id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a9001', key: 'outside' }],
        connected: true,
        live: {
          state: 'secure',
          mode: 'controlled',
          contactOpen: false,
          strikeReleased: false,
          since: '2026-11-23T17:40:12.000Z',
        },
        applied: true,
      },
    ],
  });
export type Portal = z.infer<typeof portalSchema>;
export const portalPatchSchema = z.strictObject({
  ...versionField,
  name: nameSchema.optional(),
  areaId: idSchema.nullable().optional(),
  walkSeconds: walkSecondsSchema.optional(),
  settings: portalSettingsPatchSchema.optional(),
});
