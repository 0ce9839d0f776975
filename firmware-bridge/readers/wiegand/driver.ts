import { z } from 'zod';
import type { GpioEdge, InputLine, ReaderDriver, ReaderHooks } from '#bridge/ports.ts';
import { wiegandKeypads } from './keypad.ts';
import { type FrameOutcome, maxFrameBits, type WiegandFinding, wiegandAssembler } from './protocol.ts';

const offset = z.number().int().min(0).max(1023);

/** One Wiegand reader in the bridge's configuration. */
export const wiegandConfigSchema = z
  .strictObject({
    kind: z.literal('wiegand'),
    /** Line offset of D0 (zeros; mostly the green wire). */
    d0: offset,
    /** Line offset of D1 (ones; mostly the white wire). */
    d1: offset,
    /** The one frame length that this reader sends; then a card is taken at its last bit, without waiting for silence. */
    fixedBits: z.number().int().min(24).max(maxFrameBits).nullable().default(null),
    /** Silence that ends a frame. */
    silenceMs: z.number().int().min(25).max(30).default(25),
    /** How its keypad sends; `bursts` does no harm where there is none. */
    keypad: z.enum(wiegandKeypads).default('bursts'),
    /** The facility code in the frames of a keypad with `buffered26`, which no card may have. */
    keypadFacility: z.number().int().min(0).max(255).default(0),
    /** The level shifter inverts: the idle line reads low at the Pi. */
    inverted: z.boolean().default(false),
    /** The Pi's own pull resistor; `none` where the level shifter drives the line both ways. */
    bias: z.enum(['pullUp', 'pullDown', 'none']).default('pullUp'),
  })
  .refine((config) => config.d0 !== config.d1, {
    path: ['d1'],
    error: 'D1 must be another line than D0: give the offset to which the white wire goes.',
  });
export type WiegandConfig = z.infer<typeof wiegandConfigSchema>;

/** The lines of a reader, for the one request that all data lines share. Only the falling edge is a bit. */
export const wiegandDataLines = (config: WiegandConfig): InputLine[] =>
  [config.d0, config.d1].map((line) => ({
    offset: line,
    activeLow: config.inverted,
    bias: config.bias,
    edges: 'falling',
    debounceMicros: 0,
  }));

const findingMessage = (finding: WiegandFinding): string => {
  if (finding.kind === 'longerThanConfigured')
    return `A frame of ${finding.bits} bits came from a reader that is configured for one shorter length: correct fixedBits. Until the bridge is started again it waits for the end of each frame.`;
  const seen = `${finding.framesInRow} frames in a row failed parity: D0/D1 swapped or inverted?`;
  return finding.swapFixes
    ? `${seen} With D0 and D1 exchanged all of them would have been right: exchange the two wires or their offsets.`
    : `${seen} Exchanging them alone would not make these frames right: check the common ground, the level shifter and "inverted".`;
};

/** Feeds one reader's edges to its assembler and delivers what comes out. Runs on the door thread; no timers. */
export function wiegandDriver(readerKey: string, config: WiegandConfig, hooks: ReaderHooks): ReaderDriver {
  const assembler = wiegandAssembler(config);

  const deliver = (outcome: FrameOutcome | null): void => {
    if (outcome === null) return;
    if (outcome.kind === 'read') {
      hooks.onRead({ readerKey, read: outcome.read, lastBitNs: outcome.lastBitNs });
      return;
    }
    if (outcome.kind === 'keys') {
      hooks.onKeys({ readerKey, keys: outcome.keys });
      return;
    }
    hooks.onFault({ readerKey, kind: outcome.fault, bits: outcome.bits });
    const { finding } = outcome;
    if (finding !== null)
      hooks.onFinding({ readerKey, kind: finding.kind, message: findingMessage(finding) });
  };

  return {
    readerKey,
    onEdges(edges: readonly GpioEdge[], lost: number): void {
      const first = edges[0];
      if (lost > 0 && first !== undefined) assembler.lose(first.timestampNs);
      for (const edge of edges)
        if (edge.offset === config.d0 || edge.offset === config.d1) deliver(assembler.push(edge));
    },
    onSettled(untilNs: bigint): void {
      deliver(assembler.expire(untilNs));
    },
  };
}
