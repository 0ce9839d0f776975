import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { readerIdSchema } from '../controllers/reader-id-schema.ts';
import {
  outputSecondsSchema,
  pairingOutcomeSchema,
  pairingSecondsSchema,
  readerChannelSchema,
  readerKindSchema,
  readerLevelsSchema,
  readerLinkSchema,
  readerOutputSchema,
  readerQuirksSchema,
} from '../schema.ts';

const count = z.number().int().min(0);

/** What a reader is and does now, as its bridge last said. Counters since the start of the bridge. */
export const readerLiveSchema = z.strictObject({
  kind: readerKindSchema,
  link: readerLinkSchema,
  problem: z
    .string()
    .nullable()
    .meta({ description: 'Why it is not online and what to do; null when it is' }),
  channel: readerChannelSchema
    .nullable()
    .meta({ description: 'How it speaks; null: this kind of reader has no secure channel' }),
  pairingUntil: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'Until then it may be given a key of its own; null: it may not' }),
  pairingEnded: z.strictObject({ at: z.iso.datetime(), outcome: pairingOutcomeSchema }).nullable().meta({
    description: 'How its last pairing ended; null: there has been none since its controller started',
  }),
  tamper: z.boolean().nullable().meta({ description: 'Null: it does not report this' }),
  powerFault: z.boolean().nullable().meta({ description: 'Null: it does not report this' }),
  inputs: readerLevelsSchema.meta({
    description: 'Levels of its own inputs, the first one first; empty: it has none, or is not online',
  }),
  outputs: readerLevelsSchema.meta({
    description: 'Levels of its own outputs, the first one first; empty: it has none, or is not online',
  }),
  identity: z.string().nullable().meta({ description: 'Maker, model, firmware, serial number' }),
  quirks: readerQuirksSchema.meta({
    description: 'What it does otherwise than its standard says, for people; it is used all the same',
  }),
  lastReadAt: z.iso.datetime().nullable(),
  lastBits: z.number().int().min(1).nullable().meta({ description: 'Bits of the last card' }),
  lastKeysAt: z.iso.datetime().nullable(),
  goodFrames: count,
  faultyFrames: count,
  parityFaults: count.meta({ description: 'Of the faulty ones, those with a wrong parity or check sum' }),
  lostBits: count,
  timeouts: count,
});
export type ReaderLive = z.infer<typeof readerLiveSchema>;

export const readerSchema = z
  .strictObject({
    id: readerIdSchema,
    key: z.string(),
    bridgeId: idSchema,
    bridgeName: z.string(),
    portalId: idSchema,
    portalName: z.string(),
    connected: z.boolean().meta({ description: 'Whether its door controller is' }),
    live: readerLiveSchema.nullable(),
  })
  .meta({
    id: 'Reader',
    examples: [
      {
        id: `01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001:outside`,
        key: 'outside',
        bridgeId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001',
        bridgeName: 'This box',
        portalId: '01936b2c-7d40-7c1e-9a4b-3f2d8c5a5001',
        portalName: 'Front door',
        connected: true,
        live: {
          kind: 'osdp',
          link: 'online',
          problem: null,
          channel: 'ownKey',
          pairingUntil: null,
          pairingEnded: null,
          tamper: false,
          powerFault: false,
          inputs: [true, false, false],
          outputs: [false],
          identity: 'maker 5c:26:23, model 12, firmware 2.1.0, serial 0012f3a1',
          quirks: [],
          lastReadAt: '2026-11-23T17:42:05.120Z',
          lastBits: 26,
          lastKeysAt: null,
          goodFrames: 48_211,
          faultyFrames: 3,
          parityFaults: 2,
          lostBits: 0,
          timeouts: 1,
        },
      },
    ],
  });
export type Reader = z.infer<typeof readerSchema>;

/** What is announced of a reader that changed. */
export const readerStateEventSchema = z.strictObject({
  readerId: readerIdSchema,
  key: z.string(),
  bridgeId: idSchema,
  portalId: idSchema,
  connected: z.boolean(),
  live: readerLiveSchema.nullable(),
});

export const pairReaderSchema = z.strictObject({ seconds: pairingSecondsSchema.default(300) });

export const switchOutputSchema = z.strictObject({
  output: readerOutputSchema.meta({ description: 'From 1: the first of its `outputs`' }),
  seconds: outputSecondsSchema,
});

/** An order that was carried out, and what happens now. */
export const readerAnswerSchema = z.strictObject({ commandId: z.string(), sentence: z.string() });
