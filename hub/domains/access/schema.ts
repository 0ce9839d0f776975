import { z } from 'zod';
import { weeklyWindowSchema, weeklyWindowsSchema } from '#hub/domains/places/schema.ts';

/** Why access is refused: public codes, one table. `wording-rules.ts` has a sentence and a next step for each. */
export const denyReasons = [
  'unknownCredential',
  'credentialInactive',
  'memberInactive',
  'hold',
  'waiverMissing',
  'noMembership',
  'portalLocked',
  'staleSnapshot',
  'clockUntrusted',
  'noPermission',
  'timeWindow',
  'openingHours',
  'holiday',
  'journalFault',
  'assuranceTooLow',
  'tooManyAttempts',
  'pinRequired',
  'pinWrong',
  'ambiguousCard',
] as const;
export const denyReasonSchema = z.enum(denyReasons);
export type DenyReason = z.infer<typeof denyReasonSchema>;

/** The checks of `decideAccess`, in the order in which they are made. The first that fails gives the reason. */
export const accessChecks = [
  'credentialKnown',
  'cardUnambiguous',
  'credentialActive',
  'memberActive',
  'noHold',
  'waiverSigned',
  'membershipValid',
  'portalNotLocked',
  'snapshotFresh',
  'clockTrusted',
  'rulePermits',
  'withinTimeWindow',
  'withinOpeningHours',
  'notHoliday',
  'journalWritable',
  'assuranceSufficient',
  'attemptsLeft',
  'pinGiven',
  'pinRight',
] as const;
export const accessCheckSchema = z.enum(accessChecks);
export type AccessCheck = z.infer<typeof accessCheckSchema>;

/** The readings of one card that a reader can deliver. `raw` is bits + length as they came. */
export const readings = ['w26', 'w34', 'w35', 'w37', 'w37fc', 'w48', 'raw', 'em40', 'uid4', 'uid7'] as const;
export const readingSchema = z.enum(readings);
export type Reading = z.infer<typeof readingSchema>;

/** What a reader saw: which format, how many bits, and the bits as lower-case hex, most significant first. */
export const cardReadSchema = z.strictObject({
  reading: readingSchema,
  bits: z.number().int().min(1).max(512),
  hex: z.string().regex(/^[0-9a-f]{1,128}$/),
});
export type CardRead = z.infer<typeof cardReadSchema>;

/** A reading of a card as it is stored. */
export interface KnownReading extends CardRead {
  /** A reader delivered it; false: computed from a wider reading. */
  readonly seen: boolean;
}

/** A time of day on the site's wall clock, in minutes since midnight; 1440 is the end of the day. */
export const ruleSubjectSchema = z.discriminatedUnion('kind', [
  /** Everybody whose card, membership and person are in order. */
  z.strictObject({ kind: z.literal('everyone') }),
  z.strictObject({ kind: z.literal('plan'), id: z.string() }),
  z.strictObject({ kind: z.literal('group'), id: z.string() }),
  z.strictObject({ kind: z.literal('member'), id: z.string() }),
]);
export const ruleTargetSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('site') }),
  z.strictObject({ kind: z.literal('area'), id: z.string() }),
  z.strictObject({ kind: z.literal('portal'), id: z.string() }),
]);

/** A rule only ever permits: no rule = denied. */
export const policyRuleSchema = z.strictObject({
  id: z.string(),
  name: z.string().min(1).max(100),
  subject: ruleSubjectSchema,
  target: ruleTargetSchema,
  /** Empty = at any time. */
  windows: weeklyWindowsSchema,
  /** The rule also holds outside opening hours and on holidays. */
  outsideOpeningHours: z.boolean(),
  validFromMs: z.number().int().nullable(),
  validUntilMs: z.number().int().nullable(),
});
export type PolicyRule = z.infer<typeof policyRuleSchema>;

/** Door modes, strongest first. A mode that stands above another wins. */
export const portalModes = [
  'fireRelease',
  'lockdown',
  'heldOpen',
  'unlocked',
  'cardOnly',
  'locked',
  'controlled',
] as const;
export const portalModeSchema = z.enum(portalModes);
export type PortalMode = z.infer<typeof portalModeSchema>;

/** The door state machine's states. */
export const portalStates = [
  'secure',
  'granted',
  'egress',
  'open',
  'preAlarm',
  'heldOpen',
  'forcedOpen',
  'unlocked',
] as const;
export const portalStateSchema = z.enum(portalStates);
export type PortalState = z.infer<typeof portalStateSchema>;

/** What staff set by hand; it is part of the policy, so that it survives restarts of the hub and of the bridge. */
export const portalOverrideSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('lockdown'), sinceMs: z.number().int(), reason: z.string().max(200) }),
  z.strictObject({
    kind: z.literal('holdOpen'),
    sinceMs: z.number().int(),
    untilMs: z.number().int(),
    reason: z.string().max(200),
  }),
]);
export type PortalOverride = z.infer<typeof portalOverrideSchema>;

/** Scheduled modes; outside all of them the door is `controlled` (a card opens it). */
export const scheduledModeSchema = z.strictObject({
  window: weeklyWindowSchema,
  mode: z.enum(['unlocked', 'cardOnly', 'locked']),
});

/**
 * How somebody shows who they are. `card`: a card. `cardAndPin`: a card, then the PIN of its member. `pin`: the member's
 * number and PIN; a card may stand in for the number. `cardOrPin`: a card alone, or number and PIN.
 */
export const identifications = ['card', 'cardAndPin', 'pin', 'cardOrPin'] as const;
export const identificationSchema = z.enum(identifications);
export type Identification = z.infer<typeof identificationSchema>;

/** In its window it takes the place of the standing value; of several windows at once the stricter holds. */
export const identificationWindowSchema = z.strictObject({
  window: weeklyWindowSchema,
  identification: identificationSchema,
});

/** 0 number only, 1 a card and its member's PIN, 2 a card that proves itself by cryptography. */
export const assuranceLevelSchema = z.literal([0, 1, 2]);

const portalSettingsShape = {
  /** Seconds that the strike stays released after a grant. */
  accessTimeSeconds: z.number().int().min(1).max(120),
  /** The same for members who need longer. */
  extendedAccessTimeSeconds: z.number().int().min(1).max(300),
  relock: z.enum(['onOpen', 'onClose']),
  heldOpenSeconds: z.number().int().min(5).max(3600),
  /** Seconds before the held-open limit at which the door begins to warn. 0 = no warning. */
  preAlarmSeconds: z.number().int().min(0).max(600),
  schedule: z.array(scheduledModeSchema).max(100),
  /** Scheduled `unlocked` begins only when the first authorised person is in. */
  firstPersonIn: z.boolean(),
  requiresWaiver: z.boolean(),
  /** Listens beside another controller: decides and reports, never actuates. */
  observe: z.boolean(),
  /** Age of the policy (minutes) from which `onStalePolicy` holds. */
  maxPolicyAgeMinutes: z.number().int().min(1).max(525_600),
  onStalePolicy: z.enum(['grant', 'deny']),
  /** Unknown time: `ignoreWindows` opens for valid cards, `denyTimed` only by rules that hold at any time, `deny` never. */
  onUntrustedClock: z.enum(['ignoreWindows', 'denyTimed', 'deny']),
  onJournalFault: z.enum(['deny', 'grantAndCount']),
  identification: identificationSchema,
  identificationWindows: z.array(identificationWindowSchema).max(100),
  /** The least assurance level that opens; 1 asks a card of level 0 for a PIN by itself. */
  minAssurance: assuranceLevelSchema,
} as const;
/** Settings as they are stored and carried; those of an older release ask for a card. */
export const portalSettingsSchema = z.strictObject({
  ...portalSettingsShape,
  identification: portalSettingsShape.identification.default('card'),
  identificationWindows: portalSettingsShape.identificationWindows.default([]),
  minAssurance: portalSettingsShape.minAssurance.default(0),
});
/** What is to be changed; what is left out stays. */
export const portalSettingsPatchSchema = z.strictObject(portalSettingsShape).partial();
export type PortalSettings = z.infer<typeof portalSettingsSchema>;

/** Safe settings of a new door. */
export const defaultPortalSettings: PortalSettings = {
  accessTimeSeconds: 5,
  extendedAccessTimeSeconds: 15,
  relock: 'onClose',
  heldOpenSeconds: 30,
  preAlarmSeconds: 10,
  schedule: [],
  firstPersonIn: true,
  requiresWaiver: false,
  observe: false,
  maxPolicyAgeMinutes: 43_200,
  onStalePolicy: 'deny',
  onUntrustedClock: 'denyTimed',
  onJournalFault: 'deny',
  identification: 'card',
  identificationWindows: [],
  minAssurance: 0,
};

/** Public kinds of access events. A decision is `granted` or `denied`; the others are linked facts of the door. */
export const accessEventKinds = [
  'granted',
  'denied',
  'remoteGranted',
  'entered',
  'notEntered',
  'egress',
  'forcedOpen',
  'heldOpen',
  'preAlarm',
  'restored',
  'modeChanged',
  'tamper',
  'policyApplied',
  'boot',
  'readFault',
  'journalGap',
  'clockChanged',
  'readerOffline',
  'readerOnline',
  'readerPaired',
  'pinLockout',
  'tamperEnded',
  'powerFault',
  'powerRestored',
  'portClosed',
  'portOpened',
] as const;
export const accessEventKindSchema = z.enum(accessEventKinds);
export type AccessEventKind = z.infer<typeof accessEventKindSchema>;

export const checkResultSchema = z.strictObject({ check: accessCheckSchema, passed: z.boolean() });
export type CheckResult = z.infer<typeof checkResultSchema>;

/** Kinds of readers; each is a folder in the bridge. */
export const readerKinds = ['wiegand', 'osdp', 'rdm6300', 'pn532', 'wedge'] as const;
export const readerKindSchema = z.enum(readerKinds);
export type ReaderKind = z.infer<typeof readerKindSchema>;

/** Whether a reader can be reached. One that only speaks when a card comes is online while its line is open. */
export const readerLinkSchema = z.enum(['offline', 'connecting', 'online']);

/** How a reader on a bus speaks: in the open, with the key that everybody knows, or with its own. */
export const readerChannelSchema = z.enum(['none', 'installKey', 'ownKey']);

/** How a pairing ended: with a new key, because the reader did not take it, or because its time was over or it was stopped. */
export const pairingOutcomeSchema = z.enum(['paired', 'refused', 'over']);

/** How long a reader may be given a key of its own, seconds. */
export const pairingSecondsSchema = z.number().int().min(10).max(900);

/** What a reader does otherwise than its standard says, as sentences. */
export const mostQuirks = 20;
export const readerQuirksSchema = z.array(z.string().max(300)).max(mostQuirks);

/** More inputs or outputs than any reader has. */
export const mostReaderLines = 64;
export const readerLevelsSchema = z.array(z.boolean()).max(mostReaderLines);
/** An output of a reader, from 1. */
export const readerOutputSchema = z.number().int().min(1).max(mostReaderLines);
/** How long an output of a reader may be switched, seconds. */
export const outputSecondsSchema = z.number().int().min(1).max(60);
