import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireTime } from '#hub/kernel/moment.ts';
import { cardTextSchema } from '../cards/schema.ts';
import { eveningExample, namedSchema, whySchema, wordedCheckSchema } from '../events/schema.ts';
import { denyReasonSchema, portalModeSchema } from '../schema.ts';

/** Who asks at which door: exactly one of card, credential and member; the door by its id or its key. */
export const checkRequestSchema = z
  .strictObject({
    card: cardTextSchema.optional(),
    credentialId: idSchema.optional(),
    memberId: idSchema.optional(),
    portalId: idSchema.optional(),
    portalKey: z.string().min(1).max(40).optional(),
    readerKey: z
      .string()
      .min(1)
      .max(40)
      .optional()
      .meta({ description: 'At this reader of the door; without it, at any of them' }),
    at: wireTime.optional(),
    withPin: z
      .boolean()
      .default(false)
      .meta({ description: 'As if the PIN that the door asks for had been given, and right' }),
  })
  .refine(
    (body) =>
      [body.card, body.credentialId, body.memberId].filter((value) => value !== undefined).length === 1,
    { error: 'Name exactly one of card, credentialId and memberId.', path: ['card'] },
  )
  .refine((body) => (body.portalId === undefined) !== (body.portalKey === undefined), {
    error: 'Name the door by portalId or by portalKey.',
    path: ['portalId'],
  })
  .meta({ examples: [{ card: '123:4567', portalKey: 'front' }] });

export type CheckRequest = z.infer<typeof checkRequestSchema>;

export const checkAnswerSchema = z
  .strictObject({
    granted: z.boolean(),
    asksForPin: z.boolean().meta({
      description: 'The door would ask for a PIN, and open with the right one; `why` says what for',
    }),
    reason: denyReasonSchema.nullable(),
    message: z.string().meta({ description: 'The sentence of `why`, as programs of the platform read it' }),
    why: whySchema,
    checks: z.array(wordedCheckSchema),
    rule: namedSchema,
    portal: z.strictObject({ id: idSchema, name: z.string() }),
    member: namedSchema,
    credential: namedSchema,
    at: z.iso.datetime(),
    mode: portalModeSchema,
    extendedAccess: z.boolean(),
    /** False: the door itself still decides by older rules. */
    appliedAtPortal: z.boolean(),
  })
  .meta({
    id: 'CheckAnswer',
    examples: [
      {
        granted: false,
        asksForPin: false,
        message: eveningExample.why.sentence,
        ...eveningExample,
        at: '2026-11-23T17:42:05.000Z',
        extendedAccess: false,
        appliedAtPortal: true,
      },
    ],
  });

export type CheckAnswer = z.infer<typeof checkAnswerSchema>;
