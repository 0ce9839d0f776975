import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { labelSchema } from '../cards/schema.ts';

export const enrolmentStates = ['waiting', 'enrolled', 'refused', 'expired', 'cancelled', 'failed'] as const;

export const enrolmentSchema = z.strictObject({
  id: idSchema,
  readerId: z.string(),
  memberId: idSchema,
  state: z.enum(enrolmentStates),
  expiresAt: z.iso.datetime(),
  credentialId: idSchema.nullable(),
  /** In words: why it was refused or failed, that the card is to be tapped once more, or as what it was read. */
  message: z.string().nullable(),
});

export type Enrolment = z.infer<typeof enrolmentSchema>;

export const enrolmentCreateSchema = z
  .strictObject({
    readerId: z.string().min(3).max(100),
    memberId: idSchema,
    label: labelSchema.default('Card'),
    /** The card that the tapped one takes the place of; it is then lost. */
    replacesCredentialId: idSchema.optional(),
    /** The card that is tapped, as another kind of reader sees it: it opens at both from then on. */
    addsToCredentialId: idSchema.optional(),
  })
  .refine((body) => body.replacesCredentialId === undefined || body.addsToCredentialId === undefined, {
    error: 'The tapped card either replaces one or is the same one: give only one of the two.',
    path: ['addsToCredentialId'],
  })
  .meta({
    examples: [
      {
        readerId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001:outside',
        memberId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a1001',
        label: 'Blue fob',
      },
    ],
  });

export const unknownCardSchema = z.strictObject({
  eventId: idSchema,
  at: z.iso.datetime(),
  portalName: z.string().nullable(),
  reader: z.string().nullable(),
  /** Until when it can be enrolled without another tap. */
  offeredUntil: z.iso.datetime(),
});

export const unknownCardEnrolSchema = z.strictObject({
  memberId: idSchema,
  label: labelSchema.default('Card'),
});
