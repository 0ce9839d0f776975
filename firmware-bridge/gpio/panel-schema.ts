import { z } from 'zod';
import { simLineCount } from './sim-state.ts';

const offset = z
  .number()
  .int()
  .min(0)
  .max(simLineCount - 1);

/** One JSON line to the simulator's socket. */
export const panelCommandSchema = z.union([
  z.strictObject({
    /** A card at a reader. */
    tap: z.strictObject({
      bits: z.string().regex(/^[01]{1,512}$/),
      d0: offset,
      d1: offset,
      bitIntervalUs: z.number().min(1).max(100_000).default(1000),
      realTime: z.boolean().default(false),
    }),
  }),
  z.strictObject({
    /** A contact, a request-to-exit button: its logical level. */
    line: z.strictObject({ offset, level: z.union([z.literal(0), z.literal(1)]) }),
  }),
  z.strictObject({
    /** Interference: falling edges on the given lines in turn. */
    noise: z.strictObject({
      offsets: z.array(offset).min(1).max(simLineCount),
      edges: z.number().int().min(1).max(1000),
      intervalUs: z.number().min(0).max(100_000).default(50),
    }),
  }),
]);
export type PanelCommand = z.input<typeof panelCommandSchema>;

/** The simulator's answer, one JSON line per command. */
export const panelAnswerSchema = z.discriminatedUnion('ok', [
  z.strictObject({
    ok: z.literal(true),
    /** Kernel time of the last edge, ns, in decimal; null when there was none. */
    lastEdgeNs: z.string().regex(/^\d+$/).nullable(),
  }),
  z.strictObject({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);
export type PanelAnswer = z.infer<typeof panelAnswerSchema>;

/** The longest line that either side accepts. */
export const maxPanelLineBytes = 16_384;
