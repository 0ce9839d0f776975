import { z } from 'zod';
import { findingSchema } from '#hub/kernel/finding.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';
import { policyDocumentSchema, policyVersionSchema } from '../decide/policy-schema.ts';
import {
  accessEventKindSchema,
  cardReadSchema,
  checkResultSchema,
  denyReasonSchema,
  outputSecondsSchema,
  pairingOutcomeSchema,
  pairingSecondsSchema,
  portalModeSchema,
  portalStateSchema,
  readerChannelSchema,
  readerKindSchema,
  readerLevelsSchema,
  readerLinkSchema,
  readerOutputSchema,
  readerQuirksSchema,
} from '../schema.ts';

/**
 * Where hub and bridge meet. Every topic is `mc/1/bridge/<bridgeId>/<name>`; a bridge may publish and subscribe only
 * below its own id. QoS 0 throughout: sequence numbers, cursors and acknowledgements are in the payloads.
 */
export const bridgeTopicPrefix = 'mc/1/bridge';

/** By this name a bridge elsewhere asks, while TLS is set up (ALPN), for the bridges' own broker. */
export const bridgeProtocol = 'makrcave-bridge';

export const fromBridge = [
  'hello',
  'events',
  'policy-ask',
  'policy-next',
  'policy-applied',
  'reply',
  'state',
] as const;
export const toBridge = ['welcome', 'ack', 'policy-page', 'policy-close', 'policy-nudge', 'command'] as const;
export type FromBridge = (typeof fromBridge)[number];
export type ToBridge = (typeof toBridge)[number];

export const bridgeTopic = (bridgeId: string, name: FromBridge | ToBridge): string =>
  `${bridgeTopicPrefix}/${bridgeId}/${name}`;

const keySchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/);
const sequence = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const utcMs = z.number().int();

/** A bridge after every connect: who it is, what it holds and what it has to deliver. */
export const helloSchema = z.strictObject({
  protocol: z.literal(1),
  bootId: z.uuid(),
  /** Made when the journal is made: (journalId, seq) names an event for ever. */
  journalId: z.uuid(),
  release: z.string().max(40),
  /** What is applied; null before the first policy. */
  policy: policyVersionSchema.extend({ digestKeyId: z.string() }).nullable(),
  journal: z.strictObject({ firstSeq: sequence, lastSeq: sequence, ackedSeq: sequence }),
  portals: z
    .array(z.strictObject({ key: keySchema, name: z.string().max(80), readers: z.array(keySchema).max(8) }))
    .max(64),
  /** True when the GPIO port is the simulated one: taps may then be simulated. */
  simulated: z.boolean(),
  wallMs: utcMs,
  clockTrust: clockTrustSchema,
});

/** The hub's answer. `ackedSeq` is the last event that the hub's store holds without a gap: go on after it. */
export const welcomeSchema = z.strictObject({
  ackedSeq: sequence,
  policy: z.strictObject({ epoch: z.number().int(), revision: z.number().int() }),
  wallMs: utcMs,
  clockTrust: clockTrustSchema,
});

/** One journal entry. `seq` is contiguous within a journal. Card numbers never appear, only the keyed digest. */
export const bridgeEventSchema = z.strictObject({
  seq: sequence.min(1),
  bootId: z.uuid(),
  kind: accessEventKindSchema,
  /** UTC ms by the bridge's clock and how far that clock is to be trusted. */
  wallMs: utcMs,
  clockTrust: clockTrustSchema,
  /** Ms since the bridge's boot, monotonic. */
  monotonicMs: z.number().int().min(0),
  portalKey: keySchema.optional(),
  readerKey: keySchema.optional(),
  credentialId: z.string().optional(),
  memberId: z.string().optional(),
  /** Digest of the card (hex, 16 bytes) under the bridge's key; for unknown cards too. */
  digest: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  reason: denyReasonSchema.optional(),
  checks: z.array(checkResultSchema).max(20).optional(),
  ruleId: z.string().optional(),
  /** Decided but not actuated: the portal only observes. */
  observed: z.boolean().optional(),
  mode: portalModeSchema.optional(),
  policyEpoch: z.number().int().optional(),
  policyRevision: z.number().int().optional(),
  /** The remote command that this event answers. */
  commandId: z.string().max(64).optional(),
  /** The event that this one follows, for example the grant before `entered`. */
  followsSeq: sequence.optional(),
  /** Number of things that the event counts: events lost in a gap, faulty frames. */
  count: z.number().int().min(0).optional(),
  /** Free text for people: a cause, the old and new boot. */
  note: z.string().max(300).optional(),
  /** The PIN was the duress PIN. The hub makes an alarm of it and keeps it out of the event. */
  duress: z.literal(true).optional(),
});
export type BridgeEvent = z.infer<typeof bridgeEventSchema>;

/**
 * A run of events in order, oldest first. The hub parses each by `bridgeEventSchema` by itself: one that does not fit
 * (a newer bridge) goes to the dead letters, is acknowledged with the rest, and stops nothing.
 */
export const eventsSchema = z.strictObject({
  journalId: z.uuid(),
  events: z
    .array(z.looseObject({ seq: sequence.min(1) }))
    .min(1)
    .max(500),
});
/** Everything up to `seq` is in the hub's store, on its disk. */
export const ackSchema = z.strictObject({ journalId: z.uuid(), seq: sequence });

/** Asks for what changed since (epoch, revision); revision 0 or another digest key = everything. */
export const policyAskSchema = z.strictObject({
  requestId: z.string().max(64),
  epoch: z.number().int().min(0),
  revision: z.number().int().min(0),
  digestKeyId: z.string().max(64),
});
/** Page `page` (from 0) of an answer: whole credential records (96 bytes each), base64. The bridge asks for the next. */
export const policyPageSchema = z.strictObject({
  requestId: z.string().max(64),
  page: z.number().int().min(0).max(100_000),
  full: z.boolean(),
  records: z.string().max(131_072),
});
export const policyNextSchema = z.strictObject({
  requestId: z.string().max(64),
  page: z.number().int().min(0).max(100_000),
});
/** Ends an answer. The bridge applies all pages and the document at once if the hash fits, and drops them if not. */
export const policyCloseSchema = z.strictObject({
  requestId: z.string().max(64),
  full: z.boolean(),
  pages: z.number().int().min(0),
  version: policyVersionSchema,
  document: policyDocumentSchema,
  /** Digests (hex) of credentials that no longer exist under this key; only in a delta. */
  removed: z.array(z.string()).max(10_000),
});
export const policyNudgeSchema = z.strictObject({
  epoch: z.number().int(),
  revision: z.number().int(),
});
/** What is applied now, or why the last answer was not. `withheld`: grants that wait for a person after a restore. */
export const policyAppliedSchema = z.strictObject({
  version: policyVersionSchema.nullable(),
  refused: z.enum(['hashMismatch', 'incomplete', 'timedOut', 'notWritten']).nullable(),
  withheldCredentialIds: z.array(z.string()).max(10_000),
});

/** A command expires: one that arrives late is refused, never carried out. `commandId` makes a repeat harmless. */
export const commandSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('unlock'),
    commandId: z.string().max(64),
    portalKey: keySchema,
    seconds: z.number().int().min(1).max(300),
    /** By the hub's clock: the bridge compares with the hub time of its welcome. */
    expiresAtMs: utcMs,
  }),
  /** Asks for the reading of an unknown card that was tapped in the last two minutes, to enrol it. */
  z.strictObject({
    kind: z.literal('reveal'),
    commandId: z.string().max(64),
    seq: sequence,
    expiresAtMs: utcMs,
  }),
  /** The next card at this reader is for enrolment: its reading comes back, and the door stays as it is. */
  z.strictObject({
    kind: z.literal('enrol'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    expiresAtMs: utcMs,
  }),
  z.strictObject({
    kind: z.literal('cancelEnrol'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    expiresAtMs: utcMs,
  }),
  /** Simulated GPIO only: the bits of a card and of keys, as if it had been tapped and they had been pressed. */
  z.strictObject({
    kind: z.literal('tap'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    read: cardReadSchema.optional(),
    /** Digits, `*` and `#`, pressed after the card. */
    keys: z
      .string()
      .regex(/^[0-9*#]{1,40}$/)
      .optional(),
    expiresAtMs: utcMs,
  }),
  /** The reader may be given a key of its own: one that is on the key that everybody knows gets a new one. */
  z.strictObject({
    kind: z.literal('pairReader'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    seconds: pairingSecondsSchema,
    expiresAtMs: utcMs,
  }),
  z.strictObject({
    kind: z.literal('cancelPairing'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    expiresAtMs: utcMs,
  }),
  /** Lamp and buzzer of the reader, as after a grant; the door stays as it is. */
  z.strictObject({
    kind: z.literal('testReader'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    expiresAtMs: utcMs,
  }),
  /** An output of the reader itself is on for so long, and then by itself as it was before. */
  z.strictObject({
    kind: z.literal('switchOutput'),
    commandId: z.string().max(64),
    readerKey: keySchema,
    output: readerOutputSchema,
    seconds: outputSecondsSchema,
    expiresAtMs: utcMs,
  }),
  /** After a restore: these credentials may open again. */
  z.strictObject({
    kind: z.literal('approve'),
    commandId: z.string().max(64),
    credentialIds: z.array(z.string()).min(1).max(10_000),
    expiresAtMs: utcMs,
  }),
]);
export type BridgeCommand = z.infer<typeof commandSchema>;

export const commandRefusals = [
  'expired',
  'unknownPortal',
  'unknownReader',
  'lockedDown',
  'observing',
  'forgotten',
  'notSimulated',
  'journalFault',
  'notPairable',
  'readerOffline',
  'noLamp',
  'noOutput',
] as const;
/** `done` means verified: the output was driven, the reading was seen, the approval is on the disk. */
export const replySchema = z.strictObject({
  commandId: z.string().max(64),
  outcome: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('done') }),
    z.strictObject({ kind: z.literal('waiting') }),
    z.strictObject({ kind: z.literal('read'), read: cardReadSchema }),
    z.strictObject({ kind: z.literal('refused'), code: z.enum(commandRefusals) }),
  ]),
});

const count = z.number().int().min(0);

/** A reader as it is now. Counters since the start of the bridge. */
export const readerStateSchema = z.strictObject({
  key: keySchema,
  kind: readerKindSchema,
  /** The only length of its frames, as its bridge is set up; null: any, or it sends none. Older bridges do not say. */
  frameBits: z.number().int().min(1).nullable().default(null),
  link: readerLinkSchema,
  /** Why it is not online and what to do, for people; null when it is. */
  problem: z.string().max(500).nullable(),
  /** Null: this kind of reader has no secure channel. */
  channel: readerChannelSchema.nullable(),
  /** Until when it may be given a key of its own; null when it may not. */
  pairingUntilMs: utcMs.nullable(),
  /** How its last pairing since the start of the bridge ended. Older bridges do not say. */
  pairingEnded: z.strictObject({ atMs: utcMs, outcome: pairingOutcomeSchema }).nullable().default(null),
  /** Levels that the reader itself reports; null where it does not. */
  tamper: z.boolean().nullable(),
  powerFault: z.boolean().nullable(),
  /** Levels of its own inputs and outputs, the first one first. Older bridges do not say. */
  inputs: readerLevelsSchema.default([]),
  outputs: readerLevelsSchema.default([]),
  /** Maker, model, firmware and serial number, as far as it says so. */
  identity: z.string().max(200).nullable(),
  /** What it does otherwise than its standard says; it is used all the same. Older bridges do not say. */
  quirks: readerQuirksSchema.default([]),
  lastReadMs: utcMs.nullable(),
  /** Bits of the last card. */
  lastBits: z.number().int().min(1).max(512).nullable(),
  /** When keys were pressed last; null where there are none. */
  lastKeysMs: utcMs.nullable(),
  goodFrames: count,
  faultyFrames: count,
  /** Of these, the ones whose check did not fit: parity, check sum. */
  parityFaults: count,
  lostBits: count,
  timeouts: count,
});
export type ReaderState = z.infer<typeof readerStateSchema>;

/** What is now; sent whole at every change (at most 10/s) and every 10 s. */
export const bridgeStateSchema = z.strictObject({
  bootId: z.uuid(),
  wallMs: utcMs,
  clockTrust: clockTrustSchema,
  policy: policyVersionSchema.nullable(),
  withheldCredentialIds: z.array(z.string()).max(10_000),
  journal: z.strictObject({
    lastSeq: sequence,
    syncedSeq: sequence,
    ackedSeq: sequence,
    writable: z.boolean(),
  }),
  portals: z
    .array(
      z.strictObject({
        key: keySchema,
        state: portalStateSchema,
        mode: portalModeSchema,
        /** Levels as they are read, not as they were commanded: null where no such line is wired. */
        contactOpen: z.boolean().nullable(),
        strikeReleased: z.boolean(),
        sinceMs: utcMs,
      }),
    )
    .max(64),
  readers: z.array(readerStateSchema).max(128),
  findings: z.array(findingSchema).max(50),
});
export type BridgeState = z.infer<typeof bridgeStateSchema>;

export const schemaFromBridge = {
  hello: helloSchema,
  events: eventsSchema,
  'policy-ask': policyAskSchema,
  'policy-next': policyNextSchema,
  'policy-applied': policyAppliedSchema,
  reply: replySchema,
  state: bridgeStateSchema,
} as const;
export const schemaToBridge = {
  welcome: welcomeSchema,
  ack: ackSchema,
  'policy-page': policyPageSchema,
  'policy-close': policyCloseSchema,
  'policy-nudge': policyNudgeSchema,
  command: commandSchema,
} as const;
