import { z } from 'zod';
import { findingSchema } from '#hub/kernel/finding.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';
import { nameSchema, pageShape, sortOf, wireTime } from '#hub/kernel/wire.ts';
import { accessCheckSchema, accessEventKindSchema, denyReasonSchema, portalModeSchema } from '../schema.ts';

/** One check of a decision, in words. */
export const wordedCheckSchema = z.strictObject({
  check: accessCheckSchema,
  passed: z.boolean(),
  sentence: z.string(),
});
export const whySchema = z.strictObject({ sentence: z.string(), nextStep: z.string().nullable() });
const named = z.strictObject({ id: z.string(), name: z.string() }).nullable();

/** For the document: a member at a door outside the hours of their rule. */
const evening = {
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
    bridge: named,
    portal: named,
    reader: z.string().nullable(),
    member: named,
    credential: named,
    reason: denyReasonSchema.nullable(),
    /** What happened and, where something can be done about it, the next step. */
    why: whySchema,
    checks: z.array(wordedCheckSchema),
    rule: named,
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
        ...evening,
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
export const eventQuerySchema = z.strictObject({
  ...pageShape,
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
});

export const deadLetterSchema = z.strictObject({
  id: idSchema,
  bridgeId: idSchema,
  journalId: z.string(),
  seq: z.number().int(),
  problem: z.string(),
  body: z.string(),
  at: z.iso.datetime(),
});

const cardTextSchema = z.string().min(1).max(160).meta({ description: 'A card as written: 123:4567' });
/** Who asks at which door: exactly one of card, credential and member; the door by its id or its key. */
export const checkRequestSchema = z
  .strictObject({
    card: cardTextSchema.optional(),
    credentialId: idSchema.optional(),
    memberId: idSchema.optional(),
    portalId: idSchema.optional(),
    portalKey: z.string().min(1).max(40).optional(),
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
    rule: named,
    portal: z.strictObject({ id: idSchema, name: z.string() }),
    member: named,
    credential: named,
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
        message: evening.why.sentence,
        ...evening,
        at: '2026-11-23T17:42:05.000Z',
        extendedAccess: false,
        appliedAtPortal: true,
      },
    ],
  });
export type CheckAnswer = z.infer<typeof checkAnswerSchema>;

export const bridgeSchema = z.strictObject({
  id: idSchema,
  version: z.number().int(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  name: nameSchema,
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
