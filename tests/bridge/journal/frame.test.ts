import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkCodes,
  decodeEntry,
  encodeEntry,
  type JournalEntry,
  kindCodes,
  modeCodes,
  reasonCodes,
  trustCodes,
} from '#bridge/journal/entry.ts';
import { openFrame, readFrameHeader, sealFrame } from '#bridge/journal/frame.ts';
import {
  framesIn,
  makeSegmentHeader,
  readSegmentHeader,
  segmentHeaderBytes,
} from '#bridge/journal/segment.ts';
import { bridgeEventSchema } from '#hub/domains/access/controllers/link-schema.ts';
import { accessChecks, accessEventKinds, denyReasons, portalModes } from '#hub/domains/access/schema.ts';
import { clockTrusts } from '#hub/kernel/time.ts';
import { newId } from '#hub/platform/new-id.ts';
import { fullGrant } from '../fixtures.ts';

const key = randomBytes(32);
const bootId = newId();

const anyKey = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,39}$/);
const anyId = fc.oneof(
  fc.constant(0).map(() => newId()),
  fc.string({ maxLength: 60 }),
);
const anyEntry: fc.Arbitrary<JournalEntry> = fc.record(
  {
    kind: fc.constantFrom(...accessEventKinds),
    wallMs: fc.integer({ min: -8_640_000_000, max: 8_640_000_000_000 }),
    clockTrust: fc.constantFrom(...clockTrusts),
    monotonicMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    portalKey: anyKey,
    readerKey: anyKey,
    credentialId: anyId,
    memberId: anyId,
    digest: fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => Buffer.from(bytes).toString('hex')),
    reason: fc.constantFrom(...denyReasons),
    checks: fc.array(fc.record({ check: fc.constantFrom(...accessChecks), passed: fc.boolean() }), {
      maxLength: 20,
    }),
    ruleId: anyId,
    observed: fc.boolean(),
    mode: fc.constantFrom(...portalModes),
    policyEpoch: fc.integer(),
    policyRevision: fc.integer(),
    commandId: fc.string({ maxLength: 60 }),
    followsSeq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    count: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    note: fc.string({ unit: 'grapheme', maxLength: 75 }),
  },
  { requiredKeys: ['kind', 'wallMs', 'clockTrust', 'monotonicMs'] },
);

describe('a journal frame', () => {
  it('gives every event back as it was', () => {
    fc.assert(
      fc.property(anyEntry, fc.integer({ min: 1, max: 2 ** 47 }), (entry, seq) => {
        const frame = sealFrame(key, seq, encodeEntry(entry));
        const header = readFrameHeader(Buffer.concat([frame, Buffer.alloc(1)]), 0);
        expect(header?.seq).toBe(seq);
        const payload = openFrame(key, frame, 0, header!);
        expect(decodeEntry(payload!, seq, bootId)).toEqual({ seq, bootId, ...entry });
      }),
    );
  });

  it('keeps a full grant within 250 bytes, and what it gives back fits the wire', () => {
    const frame = sealFrame(key, 5_000_000, encodeEntry(fullGrant()));
    expect(frame.length).toBeLessThanOrEqual(250);
    const payload = openFrame(key, frame, 0, readFrameHeader(Buffer.concat([frame, Buffer.alloc(1)]), 0)!);
    expect(bridgeEventSchema.safeParse(decodeEntry(payload!, 1, bootId)).success).toBe(true);
  });

  it('has a code for every word of the schemas', () => {
    expect([...kindCodes].sort()).toEqual([...accessEventKinds].sort());
    expect([...reasonCodes].sort()).toEqual([...denyReasons].sort());
    expect([...checkCodes].sort()).toEqual([...accessChecks].sort());
    expect([...modeCodes].sort()).toEqual([...portalModes].sort());
    expect([...trustCodes].sort()).toEqual([...clockTrusts].sort());
  });

  it('does not open when a single bit is wrong', () => {
    const frame = sealFrame(key, 7, encodeEntry(fullGrant()));
    fc.assert(
      fc.property(fc.nat({ max: frame.length * 8 - 1 }), (bit) => {
        const torn = Buffer.concat([frame, Buffer.alloc(1)]);
        torn[bit >> 3] = torn[bit >> 3]! ^ (1 << (bit & 7));
        const header = readFrameHeader(torn, 0);
        expect(header === null ? null : openFrame(key, torn, 0, header)).toBeNull();
      }),
    );
  });

  it('takes any bytes as a payload without failing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const event = decodeEntry(bytes, 1, bootId);
        expect(event === null || event.seq === 1).toBe(true);
      }),
    );
  });

  it('takes any bytes as a segment without failing', () => {
    const { header } = makeSegmentHeader(key, { number: 1, journalId: newId(), bootId });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(readSegmentHeader(key, Buffer.from(bytes))).toBeNull();
        expect([...framesIn(header, Buffer.from(bytes), 0)]).toEqual([]);
      }),
    );
  });

  it('finds the frames behind a damaged one', () => {
    const made = makeSegmentHeader(key, { number: 1, journalId: newId(), bootId });
    const frames = [1, 2, 3, 4].map((seq) => sealFrame(made.header.key, seq, encodeEntry(fullGrant())));
    const segment = Buffer.concat([made.bytes, ...frames, Buffer.alloc(500)]);
    const second = segmentHeaderBytes + frames[0]!.length;
    fc.assert(
      fc.property(fc.nat({ max: frames[1]!.length - 1 }), (offset) => {
        const damaged = Buffer.from(segment);
        damaged[second + offset] = damaged[second + offset]! ^ 0x55;
        expect([...framesIn(made.header, damaged)].map((frame) => frame.seq)).toEqual([1, 3, 4]);
      }),
    );
  });
});
