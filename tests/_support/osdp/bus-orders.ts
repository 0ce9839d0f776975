import { z } from 'zod';
import { faultSchema } from './pd-faults.ts';

const address = z.int().min(0).max(127).default(0);
const key = z
  .hex()
  .length(32)
  .transform((text) => Uint8Array.from(Buffer.from(text, 'hex')));
const bits = z.string().regex(/^[01]+$/);

const peripheralSchema = z.strictObject({
  address,
  baudRate: z.int().positive().optional(),
  ownKey: key.nullable().optional(),
  secureFor: z.enum(['nothing', 'cards', 'everything', 'byKey']).optional(),
  acceptsDefaultKey: z.boolean().optional(),
  secureCapable: z.boolean().optional(),
  plainNaks: z.boolean().optional(),
  plainKeysetAck: z.boolean().optional(),
  onBadCheck: z.enum(['nak', 'silent', 'endsSession']).optional(),
  knowsChecks: z.enum(['both', 'crc', 'checksum']).optional(),
  onBadCryptogram: z.enum(['nak', 'rmacRefused']).optional(),
  broadcastReply: z.enum(['broadcast', 'own']).optional(),
  outReply: z.enum(['ack', 'ostatr']).optional(),
  keyCoding: z.enum(['standard', 'ascii']).optional(),
  leadingMark: z.boolean().optional(),
  sessionMs: z.number().positive().optional(),
  seed: z.int().optional(),
});

/** What the process is started with, as JSON in its first argument. */
export const busConfigSchema = z.strictObject({
  /** The panel's end of the line; the peripherals' end is beside it with `.pd`. */
  link: z.string(),
  baudRate: z.int().positive().default(9600),
  turnAroundMs: z.number().nonnegative().optional(),
  chunkBytes: z.int().positive().optional(),
  /** More than on a real line: the panel's process may be held up in the middle of a frame. */
  interByteMs: z.number().positive().default(100),
  /** Print every command that is carried out. */
  showCommands: z.boolean().default(false),
  peripherals: z.array(peripheralSchema).min(1),
});
export type BusConfig = z.input<typeof busConfigSchema>;

/** One line on stdin; each key that is there is done. */
export const busOrderSchema = z.strictObject({
  card: z.strictObject({ address, bits, format: z.int().default(0), reader: z.int().default(0) }).optional(),
  keys: z.strictObject({ address, keys: z.string(), perReply: z.int().positive().optional() }).optional(),
  tamper: z.strictObject({ address, on: z.boolean() }).optional(),
  powerFault: z.strictObject({ address, on: z.boolean() }).optional(),
  input: z.strictObject({ address, index: z.int().nonnegative(), on: z.boolean() }).optional(),
  fault: z.strictObject({ address, what: faultSchema }).optional(),
  clearFaults: z.strictObject({ address }).optional(),
  power: z.strictObject({ address, to: z.enum(['off', 'on', 'cycle']) }).optional(),
  useKey: z.strictObject({ address, key: key.nullable() }).optional(),
  /** The rate at which the panel's bytes are taken to come: a pty has none. */
  baudRate: z.int().positive().optional(),
  turnAroundMs: z.number().nonnegative().optional(),
});
export type BusOrder = z.input<typeof busOrderSchema>;
