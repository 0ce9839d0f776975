import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChipInfo, ConfigAttribute, LineAttribute } from '#bridge/gpio/uapi.ts';
import {
  decodeChipInfo,
  decodeLineConfig,
  decodeLineEvent,
  decodeLineEvents,
  decodeLineInfo,
  decodeLineRequest,
  decodeLineValues,
  encodeLineConfig,
  encodeLineEvent,
  encodeLineInfo,
  encodeLineRequest,
  encodeLineValues,
  ioctls,
  lineFlags,
  planRequest,
  sizes,
} from '#bridge/gpio/uapi.ts';
import type { InputLine, OutputLine } from '#bridge/ports.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const name = fc
  .string({ unit: 'grapheme' })
  .filter((text) => !text.includes('\0') && Buffer.byteLength(text) < 32);
const attribute: fc.Arbitrary<LineAttribute> = fc.oneof(
  u64.map((flags) => ({ kind: 'flags' as const, flags })),
  u64.map((values) => ({ kind: 'outputValues' as const, values })),
  u32.map((micros) => ({ kind: 'debounce' as const, micros })),
);
const configAttribute: fc.Arbitrary<ConfigAttribute> = fc
  .tuple(attribute, u64)
  .map(([value, mask]) => ({ ...value, mask }));
const config = fc.record({ flags: u64, attributes: fc.array(configAttribute, { maxLength: 10 }) });
const request = fc.record({
  offsets: fc.array(u32, { minLength: 1, maxLength: 64 }),
  consumer: name,
  config,
  eventBufferSize: u32,
  fd: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
});
const info = fc.record({
  name,
  consumer: name,
  offset: u32,
  flags: u64,
  attributes: fc.array(attribute, { maxLength: 10 }),
});
const event = fc.record({
  timestampNs: u64,
  rising: fc.boolean(),
  offset: u32,
  seqno: u32,
  lineSeqno: u32,
});
const chip = fc.record({ name, label: name, lines: u32 });
const values = fc.record({ bits: u64, mask: u64 });

/** As the kernel writes it. */
function encodeChipInfo({ name: chipName, label, lines }: ChipInfo): Buffer {
  const bytes = Buffer.alloc(sizes.chipInfo);
  bytes.write(chipName, 0);
  bytes.write(label, 32);
  bytes.writeUInt32LE(lines, 64);
  return bytes;
}

interface Format {
  readonly what: string;
  readonly size: number;
  readonly sample: () => Buffer;
  readonly roundTrip: () => void;
  readonly decode: (bytes: Buffer) => unknown;
}

/** One row per record: the value survives, and the bytes have the size that the kernel has. */
function format<T>(
  what: string,
  size: number,
  from: fc.Arbitrary<T>,
  encode: (value: T) => Buffer,
  decode: (bytes: Buffer) => T,
): Format {
  return {
    what,
    size,
    sample: () => encode(fc.sample(from, { numRuns: 1, seed: 7 })[0]!),
    roundTrip: () =>
      fc.assert(
        fc.property(from, (value) => {
          const bytes = encode(value);
          expect(bytes.length).toBe(size);
          expect(decode(bytes)).toEqual(value);
        }),
      ),
    decode,
  };
}

const formats = [
  format('chip info', 68, chip, encodeChipInfo, decodeChipInfo),
  format('line values', 16, values, (value) => encodeLineValues(value), decodeLineValues),
  format('line config', 272, config, encodeLineConfig, (bytes) => decodeLineConfig(bytes)),
  format('line request', 592, request, encodeLineRequest, decodeLineRequest),
  format('line info', 256, info, encodeLineInfo, decodeLineInfo),
  format('line event', 48, event, encodeLineEvent, (bytes) => decodeLineEvent(bytes)),
];

describe('records of the GPIO character device', () => {
  test.each(formats)('any $what comes back from its $size bytes', ({ roundTrip }) => roundTrip());

  test.each(formats)('a $what cut anywhere is refused with its size', ({ what, size, sample, decode }) => {
    const bytes = sample();
    for (let length = 0; length < size; length += 1) {
      expect(() => decode(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'gpioBadRecord', message: expect.stringContaining(String(size)) }),
      );
    }
    expect(() => decode(bytes), what).not.toThrow();
  });

  test('arbitrary bytes are decoded or refused with gpioBadRecord, nothing else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...formats), fc.uint8Array({ maxLength: 700 }), ({ decode }, bytes) => {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'gpioBadRecord' });
        }
      }),
      { numRuns: 500 },
    );
  });

  test('sizes agree with the size that each ioctl number carries', () => {
    const carried = (ioctl: number) => (ioctl >>> 16) & 0x3fff;
    expect({
      chipInfo: carried(ioctls.getChipInfo),
      lineInfo: carried(ioctls.getLineInfo),
      lineRequest: carried(ioctls.getLine),
      lineConfig: carried(ioctls.setConfig),
      lineValues: carried(ioctls.getValues),
      lineValuesToSet: carried(ioctls.setValues),
    }).toEqual({
      chipInfo: sizes.chipInfo,
      lineInfo: sizes.lineInfo,
      lineRequest: sizes.lineRequest,
      lineConfig: sizes.lineConfig,
      lineValues: sizes.lineValues,
      lineValuesToSet: sizes.lineValues,
    });
  });

  test('a request lies in memory as the kernel reads it', () => {
    const bytes = encodeLineRequest({
      offsets: [17, 27],
      consumer: 'door',
      config: {
        flags: lineFlags.input | lineFlags.fallingEdge,
        attributes: [
          { kind: 'debounce', micros: 10_000, mask: 1n },
          { kind: 'outputValues', values: 2n, mask: 3n },
        ],
      },
      eventBufferSize: 1024,
      fd: -1,
    });
    expect(bytes.readUInt32LE(0)).toBe(17);
    expect(bytes.readUInt32LE(4)).toBe(27);
    expect(bytes.toString('latin1', 256, 261)).toBe('door\0');
    expect(bytes.readBigUInt64LE(288)).toBe(0x24n);
    expect(bytes.readUInt32LE(296)).toBe(2);
    expect([bytes.readUInt32LE(320), bytes.readUInt32LE(328), bytes.readBigUInt64LE(336)]).toEqual([
      3,
      10_000,
      1n,
    ]);
    expect([bytes.readUInt32LE(344), bytes.readBigUInt64LE(352), bytes.readBigUInt64LE(360)]).toEqual([
      2,
      2n,
      3n,
    ]);
    expect([bytes.readUInt32LE(560), bytes.readUInt32LE(564), bytes.readInt32LE(588)]).toEqual([2, 1024, -1]);
  });

  test('an event lies in memory as the kernel writes it', () => {
    const bytes = encodeLineEvent({
      timestampNs: 0x0102030405060708n,
      rising: false,
      offset: 4,
      seqno: 5,
      lineSeqno: 6,
    });
    expect(bytes.toString('hex')).toBe(`080706050403020102000000040000000500000006000000${'00'.repeat(24)}`);
  });

  test('a name longer than 31 bytes is cut between characters and stays terminated', () => {
    const bytes = encodeLineInfo({
      name: 'x'.repeat(40),
      consumer: `${'x'.repeat(30)}é`,
      offset: 1,
      flags: 0n,
      attributes: [],
    });
    expect(bytes[31]).toBe(0);
    expect(decodeLineInfo(bytes)).toMatchObject({ name: 'x'.repeat(31), consumer: 'x'.repeat(30) });
  });

  test('a buffer of several events is read in its order', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        expect(decodeLineEvents(Buffer.concat(events.map(encodeLineEvent)), events.length)).toEqual(events);
      }),
    );
  });

  test.each([0, 65])('a request of %i lines is refused', (count) => {
    const offsets = Array.from({ length: count }, (_, index) => index);
    expect(() =>
      encodeLineRequest({
        offsets,
        consumer: '',
        config: { flags: 0n, attributes: [] },
        eventBufferSize: 0,
        fd: 0,
      }),
    ).toThrow(expect.objectContaining({ code: 'gpioBadRecord' }));
  });
});

const inputLine: fc.Arbitrary<Omit<InputLine, 'offset'>> = fc.record({
  activeLow: fc.boolean(),
  bias: fc.constantFrom('pullUp' as const, 'none' as const),
  edges: fc.constantFrom('falling' as const, 'both' as const),
  debounceMicros: fc.constantFrom(0, 10_000),
});
const outputLine: fc.Arbitrary<Omit<OutputLine, 'offset'>> = fc.record({
  activeLow: fc.boolean(),
  safeLevel: fc.constantFrom(0 as const, 1 as const),
});

const dataLine = { activeLow: false, bias: 'none', edges: 'falling', debounceMicros: 0 } as const;

describe('planning a request', () => {
  /** What the kernel makes of a config for its i-th line: the first attribute of a kind that covers it (gpiolib-cdev.c). */
  function settingsOf(plan: ReturnType<typeof planRequest>, index: number) {
    const covers = plan.config.attributes.filter((entry) => (entry.mask & (1n << BigInt(index))) !== 0n);
    const flags = covers.find((entry) => entry.kind === 'flags')?.flags ?? plan.config.flags;
    const level = covers.find((entry) => entry.kind === 'outputValues')?.values ?? 0n;
    return {
      flags,
      debounceMicros: covers.find((entry) => entry.kind === 'debounce')?.micros ?? 0,
      level: Number((level >> BigInt(index)) & 1n),
    };
  }

  test('every line gets its own settings, and outputs their safe level, whatever the mix', () => {
    fc.assert(
      fc.property(
        // Six at most: more could need more attributes than the kernel takes.
        fc.array(inputLine, { maxLength: 6 }),
        fc.array(outputLine, { maxLength: 20 }),
        (inputSettings, outputSettings) => {
          fc.pre(inputSettings.length + outputSettings.length > 0);
          const inputs = inputSettings.map((line, index) => ({ ...line, offset: 100 - index }));
          const outputs = outputSettings.map((line, index) => ({ ...line, offset: index }));
          const plan = planRequest({ inputs, outputs, consumer: 'test', eventBufferSize: 1024 });
          expect(decodeLineRequest(encodeLineRequest(plan))).toEqual(plan);
          for (const line of inputs) {
            const { flags, debounceMicros } = settingsOf(plan, plan.offsets.indexOf(line.offset));
            expect({
              input: (flags & lineFlags.input) !== 0n,
              output: (flags & lineFlags.output) !== 0n,
              activeLow: (flags & lineFlags.activeLow) !== 0n,
              falling: (flags & lineFlags.fallingEdge) !== 0n,
              rising: (flags & lineFlags.risingEdge) !== 0n,
              pullUp: (flags & lineFlags.pullUp) !== 0n,
              biasDisabled: (flags & lineFlags.biasDisabled) !== 0n,
              debounceMicros,
            }).toEqual({
              input: true,
              output: false,
              activeLow: line.activeLow,
              falling: true,
              rising: line.edges === 'both',
              pullUp: line.bias === 'pullUp',
              biasDisabled: line.bias === 'none',
              debounceMicros: line.debounceMicros,
            });
          }
          for (const line of outputs) {
            const { flags, level } = settingsOf(plan, plan.offsets.indexOf(line.offset));
            expect(flags).toBe(lineFlags.output | (line.activeLow ? lineFlags.activeLow : 0n));
            expect(level).toBe(line.safeLevel);
          }
        },
      ),
    );
  });

  test('two lines of a reader need no attribute at all', () => {
    const inputs = [17, 18].map((offset) => ({ ...dataLine, offset }));
    expect(planRequest({ inputs, outputs: [], consumer: 'readers', eventBufferSize: 4096 })).toEqual({
      offsets: [17, 18],
      consumer: 'readers',
      config: { flags: lineFlags.input | lineFlags.fallingEdge | lineFlags.biasDisabled, attributes: [] },
      eventBufferSize: 1024,
      fd: 0,
    });
  });

  test('a line given twice is refused with its number', () => {
    const input = { ...dataLine, offset: 17 };
    const output: OutputLine = { offset: 17, activeLow: false, safeLevel: 0 };
    expect(() =>
      planRequest({ inputs: [input], outputs: [output], consumer: '', eventBufferSize: 0 }),
    ).toThrow(expect.objectContaining({ code: 'gpioLineTwice', message: expect.stringContaining('17') }));
  });

  test('more settings than the kernel takes are refused with what to do', () => {
    const inputs = Array.from({ length: 11 }, (_, index) => ({
      ...dataLine,
      offset: index,
      debounceMicros: index + 1,
    }));
    expect(() => planRequest({ inputs, outputs: [], consumer: '', eventBufferSize: 0 })).toThrow(
      expect.objectContaining({ code: 'gpioTooManySettings', message: expect.stringContaining('debounce') }),
    );
    expect(() =>
      planRequest({ inputs: inputs.slice(1), outputs: [], consumer: '', eventBufferSize: 0 }),
    ).not.toThrow();
  });
});
