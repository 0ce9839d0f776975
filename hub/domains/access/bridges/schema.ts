import { z } from 'zod';
import { findingSchema } from '#hub/kernel/finding.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';
import { cardTextSchema } from '../cards/schema.ts';

export const bridgeSchema = z.strictObject({
  id: idSchema,
  version: z.number().int(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  name: z.string(),
  connected: z.boolean(),
  lastSeenAt: z.iso.datetime().nullable(),
  release: z.string().nullable(),
  simulated: z.boolean(),
  clockTrust: clockTrustSchema.nullable(),
  policy: z.strictObject({
    desired: z.strictObject({ epoch: z.number().int(), revision: z.number().int() }),
    applied: z.strictObject({ epoch: z.number().int(), revision: z.number().int() }).nullable(),
    /** `notConnected` and `pending`: not applied there yet. */
    state: z.enum(['applied', 'pending', 'notConnected', 'refused']),
    refused: z.string().nullable(),
  }),
  digestKey: z.strictObject({ id: z.string(), rotating: z.boolean() }),
  journal: z
    .strictObject({
      lastSeq: z.number().int(),
      ackedSeq: z.number().int(),
      writable: z.boolean(),
    })
    .nullable(),
  /** Grants that wait for a person after a restore. */
  withheld: z.array(
    z.strictObject({
      credentialId: z.string(),
      label: z.string().nullable(),
      memberName: z.string().nullable(),
    }),
  ),
  findings: z.array(findingSchema),
});

export type Bridge = z.infer<typeof bridgeSchema>;

export const simulatedTapSchema = z
  .strictObject({
    portalKey: z.string().min(1).max(40).optional(),
    portalId: idSchema.optional(),
    readerKey: z.string().min(1).max(40).optional(),
    card: cardTextSchema.optional(),
    number: z.number().int().min(1).max(999_999_999).optional().meta({ description: "A member's number" }),
    pin: z
      .string()
      .regex(/^\d{1,12}$/, { error: 'must be digits' })
      .optional(),
  })
  .refine((body) => (body.portalId === undefined) !== (body.portalKey === undefined), {
    error: 'Name the door by portalId or by portalKey.',
    path: ['portalKey'],
  })
  .refine((body) => (body.card === undefined) !== (body.number === undefined), {
    error: 'Give a card, or a number with a pin.',
    path: ['card'],
  })
  .refine((body) => body.number === undefined || body.pin !== undefined, {
    error: 'is needed with a number',
    path: ['pin'],
  })
  .meta({ examples: [{ card: '123:4567', portalKey: 'front' }] });
