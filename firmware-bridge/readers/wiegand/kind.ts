import { z } from 'zod';
import type { InputLine } from '#bridge/ports.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { GpioReaderKind } from '../kind.ts';
import { wiegandDriver } from './driver.ts';
import { keysToFrames, wiegandKeypads } from './keypad.ts';
import { maxFrameBits } from './protocol.ts';

const lineOffset = z.number().int().min(0).max(1023);

/** One Wiegand reader in `bridge.yaml`. */
export const wiegandConfigSchema = z
  .strictObject({
    kind: z.literal('wiegand'),
    /** Line offset of D0 (zeros; usually the green wire). */
    d0: lineOffset,
    /** Line offset of D1 (ones; usually the white wire). */
    d1: lineOffset,
    /**
     * The only frame length that this reader sends; a card is then taken at its last bit, without waiting for
     * silence.
     */
    fixedBits: z.number().int().min(24).max(maxFrameBits).nullable().default(null),
    /** Silence that ends a frame. */
    silenceMs: z.number().int().min(25).max(30).default(25),
    /** How its keypad sends; `bursts` is harmless without a keypad. */
    keypad: z.enum(wiegandKeypads).default('bursts'),
    /** The facility code in the frames of a `buffered26` keypad, which no card may have. */
    keypadFacility: z.number().int().min(0).max(255).default(0),
    /** The level shifter inverts: the idle line reads low at the Pi. */
    inverted: z.boolean().default(false),
    /** The Pi's own pull resistor; `none` if the level shifter drives the line both ways. */
    bias: z.enum(['pullUp', 'pullDown', 'none']).default('pullUp'),
  })
  .refine((config) => config.d0 !== config.d1, {
    path: ['d1'],
    error: 'D1 must be another line than D0: give the offset to which the white wire goes.',
  });
type WiegandConfig = z.infer<typeof wiegandConfigSchema>;

/** One request takes all data lines of all readers. Only the falling edge is a bit. */
const dataLine = (offset: number, { inverted, bias }: WiegandConfig): InputLine => ({
  offset,
  activeLow: inverted,
  bias,
  edges: 'falling',
  debounceMicros: 0,
});

const keypads = { bursts: 'keys', buffered26: 'digits', none: 'none' } as const;

export const wiegand = {
  connection: 'gpio',
  schema: wiegandConfigSchema,
  shownAs: 'wiegand',
  keypad: ({ keypad }) => keypads[keypad],
  dataLines: (config) => [
    { field: 'd0', line: dataLine(config.d0, config) },
    { field: 'd1', line: dataLine(config.d1, config) },
  ],
  createDriver: wiegandDriver,
  simulate(config, { read, keys = '' }) {
    const frames = [
      ...(read === undefined ? [] : [hexToBits(read.hex, read.bits).join('')]),
      ...keysToFrames(keys, config),
    ];
    return frames.map((bits) => ({ bits, d0: config.d0, d1: config.d1 }));
  },
} as const satisfies GpioReaderKind<WiegandConfig>;
