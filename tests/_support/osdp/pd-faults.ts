import { z } from 'zod';

const common = {
  /** How often it strikes. */
  times: z.union([z.int().positive(), z.literal('always')]).default(1),
  /** Of the commands that match, the share that is struck, by the peripheral's seeded random. */
  chance: z.number().min(0).max(1).default(1),
  /** Only commands with this id. */
  on: z.int().min(0).max(255).optional(),
  /** Matching commands that pass unharmed first. */
  skip: z.int().nonnegative().default(0),
};
const fault = <K extends string, S extends z.ZodRawShape>(kind: K, shape: S) =>
  z.strictObject({ kind: z.literal(kind), ...common, ...shape });

export const faultSchema = z.discriminatedUnion('kind', [
  /** The command is not heard: nothing happens in the peripheral. */
  fault('deaf', {}),
  /** The command is done, its reply is lost. */
  fault('dropReply', {}),
  /** One byte of the reply is missing; a random one unless `at` says which. */
  fault('dropByte', { at: z.int().nonnegative().optional() }),
  /** One bit (or the bits of `mask`) of one byte of the reply is inverted. */
  fault('flipByte', { at: z.int().nonnegative().optional(), mask: z.int().min(1).max(255).optional() }),
  /** The reply starts this much after the turn-around. */
  fault('late', { ms: z.number().nonnegative() }),
  /** A whole reply, with a right MAC, whose number is not the command's. */
  fault('wrongSequence', { by: z.int().min(1).max(3).default(1) }),
  /** Not done; the panel is to send it again. */
  fault('busy', {}),
  /** A whole reply in the name of another peripheral. */
  fault('wrongAddress', { address: z.int().min(0).max(127).optional() }),
  /** The handshake is done with a key that nobody knows. */
  fault('wrongKey', {}),
  /** KEYSET is taken over but never answered, nor its retries (with times 'always'). */
  fault('silentKeyset', {}),
  /** Instead of its reply the one `back` replies before goes out; of those with `replyId` if given. */
  fault('replay', { back: z.int().positive().default(3), replyId: z.int().min(0).max(255).optional() }),
  /** The reply goes out again, `gapMs` after the first one's start or when the line is free. */
  fault('twice', { gapMs: z.number().nonnegative().default(0) }),
  /** Noise directly before the reply: these bytes, or random ones. */
  fault('garbage', { hex: z.hex().optional(), length: z.int().positive().default(5) }),
  /** CHLNG is answered with NAK 5: "I cannot". */
  fault('refuseSecurity', {}),
  /** The capabilities deny the secure channel. */
  fault('hideSecurity', {}),
]);

export type Fault = z.output<typeof faultSchema>;
export type FaultOrder = z.input<typeof faultSchema>;
type FaultOf<K extends Fault['kind']> = Extract<Fault, { kind: K }>;

const isKind = <K extends Fault['kind']>(one: Fault, kind: K): one is FaultOf<K> => one.kind === kind;

/** What is going to go wrong. Several faults of different kinds can strike one command. */
export class FaultPlan {
  readonly #random: () => number;
  #faults: Fault[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  add(order: FaultOrder): void {
    this.#faults.push(faultSchema.parse(order));
  }

  clear(): void {
    this.#faults = [];
  }

  get pending(): readonly Fault[] {
    return this.#faults;
  }

  /** The fault of this kind that strikes this command now, used up by one; null when none does. */
  take<K extends Fault['kind']>(kind: K, commandId: number): FaultOf<K> | null {
    for (const one of this.#faults) {
      if (!isKind(one, kind) || (one.on !== undefined && one.on !== commandId)) continue;
      if (one.skip > 0) {
        one.skip--;
        continue;
      }
      if (one.chance < 1 && this.#random() >= one.chance) continue;
      if (one.times !== 'always' && --one.times === 0) {
        this.#faults = this.#faults.filter((other) => other !== one);
      }
      return one;
    }
    return null;
  }

  randomInt(below: number): number {
    return Math.floor(this.#random() * below);
  }
}
