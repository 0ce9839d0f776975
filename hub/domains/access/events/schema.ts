import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { isSpanOpen, spanShape, spanShut } from '#hub/kernel/moment.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';
import { pageShape, sortOf } from '#hub/kernel/wire.ts';
import { accessCheckSchema, accessEventKindSchema, denyReasonSchema, portalModeSchema } from '../schema.ts';

/** One check of a decision, in words. */
export const wordedCheckSchema = z.strictObject({
  check: accessCheckSchema,
  passed: z.boolean(),
  sentence: z.string(),
});
export const whySchema = z.strictObject({ sentence: z.string(), nextStep: z.string().nullable() });
export const namedSchema = z.strictObject({ id: z.string(), name: z.string() }).nullable();

/** For the document: a member at a door outside the hours of their rule. */
export const eveningExample = {
  reason: 'timeWindow',
  why: {
    sentence: "It is outside the hours of the member's rule.",
    nextStep: "Come back in the rule's hours, or widen them on the Doors page.",
  },
  checks: [
    { check: 'credentialKnown', passed: true, sentence: 'The card is known.' },
    { check: 'rulePermits', passed: true, sentence: 'A rule covers this member here.' },
    { check: 'withinTimeWindow', passed: false, sentence: "It is outside the hours of the member's rule." },
  ],
  rule: { id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a4001', name: 'Members by day' },
  portal: { id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a5001', name: 'Front door' },
  member: { id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a1042', name: 'Mia Maker' },
  credential: { id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a3001', name: 'Blue fob' },
  mode: 'controlled',
} as const;

export const accessEventSchema = z
  .strictObject({
    id: idSchema,
    kind: accessEventKindSchema,
    /** By the bridge's clock, and how far that is to be trusted. */
    at: z.iso.datetime(),
    clockTrust: clockTrustSchema,
    receivedAt: z.iso.datetime(),
    bridge: namedSchema,
    portal: namedSchema,
    reader: z.string().nullable(),
    member: namedSchema,
    credential: namedSchema,
    reason: denyReasonSchema.nullable(),
    /** What happened and, where something can be done about it, the next step. */
    why: whySchema,
    checks: z.array(wordedCheckSchema),
    rule: namedSchema,
    /** Decided but not carried out: the door only observes. */
    observed: z.boolean(),
    mode: portalModeSchema.nullable(),
    /** The event that this one follows, for example the grant before `entered`. */
    followsId: idSchema.nullable(),
    commandId: z.string().nullable(),
    count: z.number().int().nullable(),
    note: z.string().nullable(),
  })
  .meta({
    id: 'AccessEvent',
    examples: [
      {
        id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a7001',
        kind: 'denied',
        at: '2026-11-23T17:42:05.120Z',
        clockTrust: 'ntp',
        receivedAt: '2026-11-23T17:42:05.180Z',
        ...eveningExample,
        bridge: { id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001', name: 'This box' },
        reader: 'outside',
        observed: false,
        followsId: null,
        commandId: null,
        count: null,
        note: null,
      },
    ],
  });
export type AccessEvent = z.infer<typeof accessEventSchema>;

const eventSortSchema = sortOf('receivedAt')
  .default('-receivedAt')
  .meta({ description: 'In the order in which they came in, `-receivedAt` the newest first' });
export const eventQuerySchema = z
  .strictObject({
    ...pageShape,
    ...spanShape,
    sort: eventSortSchema,
    portalId: idSchema.optional().meta({ description: 'Only events of this door' }),
    memberId: idSchema.optional().meta({ description: 'Only events of this member' }),
    credentialId: idSchema.optional().meta({ description: 'Only events of this card' }),
    kind: z
      .array(accessEventKindSchema)
      .max(accessEventKindSchema.options.length)
      .optional()
      .meta({ description: 'Only events of these kinds: `kind=granted&kind=denied`' }),
    reason: denyReasonSchema.optional().meta({ description: 'Only denials for this reason' }),
  })
  .refine(isSpanOpen, spanShut);

export const deadLetterSchema = z.strictObject({
  id: idSchema,
  bridgeId: idSchema,
  journalId: z.string(),
  seq: z.number().int(),
  problem: z.string(),
  body: z.string(),
  at: z.iso.datetime(),
});
