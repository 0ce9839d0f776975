import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireDate, wireTime } from '#hub/kernel/moment.ts';
import { lineOf, textOf } from '#hub/kernel/text.ts';
import { entityShape, pageShape, sortOf } from '#hub/kernel/wire.ts';
import { staffMembershipEvents } from '../memberships/rules.ts';
import { memberStatuses, membershipStates } from '../schema.ts';
import { normaliseEmail, normalisePhone } from './contact-rules.ts';

function isLocale(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

const profileShape = {
  name: lineOf(200),
  email: z
    .string()
    .max(254)
    .overwrite((text) => normaliseEmail(text) ?? text)
    .refine((text) => normaliseEmail(text) === text, {
      error: 'must be an e-mail address such as mia@example.org',
    })
    .meta({ description: 'Stored without blanks around it, the domain in small letters: `info@müller.de`' })
    .nullable(),
  phone: z
    .string()
    .max(60)
    .overwrite((text) => normalisePhone(text) ?? text)
    .refine((text) => normalisePhone(text) === text, {
      error: 'must be a phone number such as +49 30 1234567 or 030 1234567 ext. 5',
    })
    .meta({
      description:
        'As people write it; stored as groups of digits, `+49 30 12345` for `(+49) 30/12345`, an extension as `ext. 5`',
    })
    .nullable(),
  locale: z.string().max(35).refine(isLocale, { error: 'must be a language tag such as de-AT' }).nullable(),
  dateOfBirth: wireDate.nullable(),
  guardian: lineOf(300).nullable().meta({ description: 'Who answers for a minor, and how to reach them' }),
  notes: textOf(10_000).nullable(),
  waiverVersion: lineOf(50).nullable(),
  waiverDate: wireDate.nullable().meta({ description: 'Day on which the waiver was signed' }),
  extendedAccess: z.boolean().meta({ description: 'Needs the longer door time' }),
};

/** Membership number: printed on cards, assigned once. */
const memberNumber = z.number().int().min(1).max(999_999_999);

export const memberCreateSchema = z.strictObject({
  number: memberNumber
    .max(9_999_999)
    .optional()
    .meta({ description: 'Left out, the next free number above all others' }),
  name: profileShape.name,
  email: profileShape.email.default(null),
  phone: profileShape.phone.default(null),
  locale: profileShape.locale.default(null),
  dateOfBirth: profileShape.dateOfBirth.default(null),
  guardian: profileShape.guardian.default(null),
  notes: profileShape.notes.default(null),
  waiverVersion: profileShape.waiverVersion.default(null),
  waiverDate: profileShape.waiverDate.default(null),
  extendedAccess: profileShape.extendedAccess.default(false),
});
export type MemberCreate = z.infer<typeof memberCreateSchema>;

export const memberPatchSchema = z
  .strictObject(profileShape)
  .partial()
  .extend({ version: z.number().int().min(1) });
export type MemberPatch = z.infer<typeof memberPatchSchema>;

export const reasonSchema = z.strictObject({ reason: lineOf(500) });
export const optionalReasonSchema = z.strictObject({ reason: lineOf(500).optional() });

export const membershipSchema = z
  .strictObject({
    ...entityShape,
    memberId: idSchema,
    planId: idSchema,
    planName: z.string(),
    state: z.enum(membershipStates).exclude(['none']),
    stateSince: z.iso.datetime(),
    stateReason: z.string().nullable(),
    from: z.iso.datetime().nullable(),
    until: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'First moment after the period; null is open-ended' }),
    admitsUntil: z.iso.datetime().nullable().meta({
      description: 'Until when doors open, days of grace included; null is open-ended or not at all',
    }),
    renews: z.boolean(),
    graceDays: z.number().int(),
    overdueDays: z.number().int(),
    allowedEvents: z.array(z.enum(staffMembershipEvents)),
  })
  .meta({ id: 'Membership' });
export type Membership = z.infer<typeof membershipSchema>;

export const membershipCreateSchema = z.strictObject({
  planId: idSchema,
  state: z.enum(['applied', 'pending', 'trial', 'active']).default('active').meta({
    description: '`pending` with `from` begins by itself then; without, it waits for `activate`',
  }),
  from: wireTime.nullable().default(null).meta({ description: 'Left out, now' }),
  until: wireTime.nullable().default(null).meta({ description: 'Left out, open-ended' }),
  reason: lineOf(500).nullable().default(null),
});
export type MembershipCreate = z.infer<typeof membershipCreateSchema>;

export const membershipPatchSchema = z.strictObject({
  version: z.number().int().min(1),
  planId: idSchema.optional(),
  from: wireTime.optional(),
  until: wireTime.nullable().optional(),
});
export type MembershipPatch = z.infer<typeof membershipPatchSchema>;

export const membershipEventSchema = z.strictObject({
  event: z.enum(staffMembershipEvents),
  from: wireTime.optional().meta({ description: 'With approve, startTrial and activate' }),
  until: wireTime
    .nullable()
    .optional()
    .meta({ description: 'Needed with startTrial and renew; null is open-ended' }),
  reason: lineOf(500).optional(),
});
export type MembershipEventInput = z.infer<typeof membershipEventSchema>;

export const holdSchema = z
  .strictObject({
    ...entityShape,
    memberId: idSchema,
    reason: z.string(),
    placedBy: z.string(),
    placedAt: z.iso.datetime(),
    releasedBy: z.string().nullable(),
    releasedAt: z.iso.datetime().nullable(),
    releaseNote: z.string().nullable(),
  })
  .meta({ id: 'Hold', description: 'While any hold of a member is not released, no door opens' });
export type Hold = z.infer<typeof holdSchema>;

export const holdReleaseSchema = z.strictObject({ note: lineOf(500).optional() });

/** Whether doors open for a member, and what decides it. */
const standingShape = {
  planId: idSchema.nullable(),
  planName: z.string().nullable(),
  membershipState: z.enum(membershipStates),
  onHold: z.boolean(),
  waiverMissing: z.boolean(),
  admitsNow: z.boolean().meta({ description: 'A card of the member opens doors that ask for nothing more' }),
  admitsUntil: z.iso.datetime().nullable(),
};

export const memberListItemSchema = z
  .strictObject({
    id: idSchema,
    version: z.number().int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    number: memberNumber,
    name: z.string(),
    email: z.string().nullable(),
    status: z.enum(memberStatuses),
    ...standingShape,
  })
  .meta({ id: 'MemberListItem' });
export type MemberListItem = z.infer<typeof memberListItemSchema>;

export const memberSchema = z
  .strictObject({
    ...entityShape,
    number: memberNumber,
    name: z.string(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    locale: z.string().nullable(),
    dateOfBirth: z.string().nullable(),
    guardian: z.string().nullable(),
    notes: z.string().nullable(),
    waiverVersion: z.string().nullable(),
    waiverDate: z.string().nullable(),
    extendedAccess: z.boolean(),
    status: z.enum(memberStatuses),
    statusReason: z.string().nullable(),
    statusSince: z.iso.datetime(),
    ...standingShape,
    groups: z.array(z.strictObject({ id: idSchema, name: z.string() })),
    memberships: z.array(membershipSchema).meta({ description: 'The newest 20' }),
    holds: z.array(holdSchema).meta({ description: 'The newest 20' }),
  })
  .meta({
    id: 'Member',
    examples: [
      {
        id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a1042',
        version: 3,
        createdAt: '2026-03-02T09:15:00.000Z',
        updatedAt: '2026-11-20T16:03:11.000Z',
        number: 1042,
        name: 'Mia Maker',
        email: 'mia@example.org',
        phone: '+49 30 1234567',
        locale: 'de-DE',
        dateOfBirth: '1994-05-17',
        guardian: null,
        notes: 'Likes to come on Thursdays.',
        waiverVersion: '2026-01',
        waiverDate: '2026-03-02',
        extendedAccess: false,
        status: 'active',
        statusReason: null,
        statusSince: '2026-03-02T09:15:00.000Z',
        planId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a0001',
        planName: 'Full member',
        membershipState: 'active',
        onHold: false,
        waiverMissing: false,
        admitsNow: true,
        admitsUntil: '2027-03-08T00:00:00.000Z',
        groups: [{ id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a0007', name: 'Laser' }],
        memberships: [
          {
            id: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a2001',
            version: 1,
            createdAt: '2026-03-02T09:16:00.000Z',
            updatedAt: '2026-03-02T09:16:00.000Z',
            memberId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a1042',
            planId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a0001',
            planName: 'Full member',
            state: 'active',
            stateSince: '2026-03-02T09:16:00.000Z',
            stateReason: null,
            from: '2026-03-01T00:00:00.000Z',
            until: '2027-03-01T00:00:00.000Z',
            admitsUntil: '2027-03-08T00:00:00.000Z',
            renews: true,
            graceDays: 7,
            overdueDays: 30,
            allowedEvents: ['renew', 'pause', 'suspend', 'cancel', 'end'],
          },
        ],
        holds: [],
      },
    ],
  });
export type Member = z.infer<typeof memberSchema>;

/** A member who was just added. */
export const memberAddedSchema = memberSchema
  .extend({
    similar: z
      .array(
        z.strictObject({
          id: idSchema,
          number: memberNumber,
          name: z.string(),
          sameBy: z.enum(['email', 'name']),
        }),
      )
      .meta({ description: 'Members that may be the same person: look before you add somebody twice' }),
  })
  .meta({ id: 'MemberAdded' });
export type MemberAdded = z.infer<typeof memberAddedSchema>;

const creationSortSchema = sortOf('createdAt').default('-createdAt');
export type CreationSort = z.infer<typeof creationSortSchema>;
/** Query of a member's memberships or holds. */
export const memberPartsQuerySchema = z.strictObject({ ...pageShape, sort: creationSortSchema });

const memberSortSchema = sortOf('name', 'number', 'createdAt', 'updatedAt');
export type MemberSort = z.infer<typeof memberSortSchema>;
export const memberListQuerySchema = z.strictObject({
  q: z.string().max(100).optional().meta({
    description:
      'Beginnings of words of the name, of the number, of the e-mail address or of the phone number',
  }),
  status: z.enum(memberStatuses).optional().meta({ description: 'Only members in this status' }),
  planId: idSchema.optional().meta({ description: 'With a membership of this plan that is not over' }),
  groupId: idSchema.optional().meta({ description: 'Only members of this group' }),
  sort: memberSortSchema.optional().meta({
    description: 'Left out: by name; with `q` what fits it best first. With `-` in front the other way round',
  }),
  ...pageShape,
});
export type MemberListQuery = z.infer<typeof memberListQuerySchema>;
