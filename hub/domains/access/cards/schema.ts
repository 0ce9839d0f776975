import { z } from 'zod';
import { credentialStatuses } from '#hub/domains/members/schema.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireTime } from '#hub/kernel/moment.ts';
import { lineOf, reasonSchema } from '#hub/kernel/text.ts';
import { entityShape, pageShape, sortOf } from '#hub/kernel/wire.ts';

export const labelSchema = lineOf(60);
export const cardTextSchema = z.string().min(1).max(160).meta({ description: 'A card as written: 123:4567' });
export const credentialStatusSchema = z.enum(credentialStatuses);
const credentialKindSchema = z.enum(['card', 'pin']);

const sightingSchema = z.strictObject({
  portalId: idSchema,
  portalName: z.string(),
  at: z.iso.datetime(),
});
export const suspectedCopySchema = z.strictObject({
  from: sightingSchema,
  to: sightingSchema,
  walkSeconds: z.number().int().meta({ description: 'Seconds that the way takes at least' }),
});
export type SuspectedCopy = z.infer<typeof suspectedCopySchema>;

export const looksLikeSchema = z.strictObject({
  sentence: z.string(),
  nextStep: z.string(),
  cards: z.array(
    z.strictObject({
      credentialId: idSchema,
      memberId: idSchema,
      memberName: z.string().nullable(),
      label: z.string(),
      status: credentialStatusSchema,
    }),
  ),
});
export type LooksLike = z.infer<typeof looksLikeSchema>;

export const credentialSchema = z.strictObject({
  ...entityShape,
  memberId: idSchema,
  memberName: z.string().nullable(),
  kind: credentialKindSchema,
  label: z.string(),
  status: credentialStatusSchema,
  /** 0 number only, 1 number + PIN, 2 cryptographic. */
  assurance: z.number().int(),
  validFrom: z.iso.datetime().nullable(),
  validUntil: z.iso.datetime().nullable(),
  /** The end of the number; of a PIN nothing. */
  masked: z.string(),
  /** The card was read at two doors sooner than anybody gets from one to the other, and nobody has looked into it yet. */
  suspectedCopy: suspectedCopySchema.nullable(),
  /** How readers deliver it, such as `26 bit (H10301)`; what follows from another reading is left out. */
  readAs: z.array(z.string()),
  /** Other cards in use that some reader cannot tell from this one: there it opens only what all of them may open. */
  looksLike: looksLikeSchema.nullable(),
  /** Names of the door controllers that do not know of the last change yet. */
  notAppliedAt: z.array(z.string()),
});
export type Credential = z.infer<typeof credentialSchema>;

const credentialSortSchema = sortOf('createdAt', 'updatedAt').default('createdAt');
export type CredentialSort = z.infer<typeof credentialSortSchema>;
export const credentialQuerySchema = z.strictObject({
  ...pageShape,
  sort: credentialSortSchema,
  memberId: idSchema.optional(),
  kind: credentialKindSchema.optional().meta({ description: 'Only cards, or only PINs' }),
  status: credentialStatusSchema.optional().meta({ description: 'Only cards in this state' }),
  /** A card as written, or part of a label. */
  search: z
    .string()
    .trim()
    .min(1)
    .max(160)
    .optional()
    .meta({ description: 'A card as written, such as 123:4567, or part of a label' }),
});

const validity = {
  validFrom: wireTime.nullable().default(null),
  validUntil: wireTime.nullable().default(null),
} as const;

export const enrolCardSchema = z.strictObject({
  memberId: idSchema,
  card: cardTextSchema,
  label: labelSchema.default('Card'),
  temporary: z.boolean().default(false),
  ...validity,
});
export const credentialPatchSchema = z.strictObject({
  version: z.number().int().min(1),
  label: labelSchema.optional(),
  validFrom: wireTime.nullable().optional(),
  validUntil: wireTime.nullable().optional(),
});
export const credentialActionSchema = z.strictObject({ reason: reasonSchema.optional() });

/** The other card: as written, or one that was tapped just now and is not known. */
export const replaceCredentialSchema = z
  .strictObject({
    card: cardTextSchema.optional(),
    eventId: idSchema.optional(),
    label: labelSchema.optional(),
  })
  .refine((body) => (body.card === undefined) !== (body.eventId === undefined), {
    error: 'Name the other card by card or by eventId.',
    path: ['card'],
  })
  .meta({ examples: [{ card: '123:4568', label: 'Blue fob' }] });
export const replacedSchema = z.strictObject({ lost: credentialSchema, credential: credentialSchema });
