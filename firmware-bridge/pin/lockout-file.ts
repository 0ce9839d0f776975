import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import { isMissingFile, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import type { StoredLockout } from './lockout-rules.ts';

const contentSchema = z.record(
  z.string(),
  z.strictObject({
    wrong: z.number().int().min(0),
    rowSinceWallMs: z.number().int(),
    locks: z.number().int().min(0),
    lockedUntilWallMs: z.number().int().nullable(),
    timeKnown: z.boolean(),
  }),
);
export type StoredLockouts = Readonly<Record<string, StoredLockout>>;

/** Stores the wrong-PIN counts of the readers across restarts. It contains no PIN and no member. */
export class LockoutFile {
  readonly #file: string;
  readonly stored: StoredLockouts;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string, stored: StoredLockouts) {
    this.#file = file;
    this.stored = stored;
  }

  /**
   * Never fails: an unusable file is set aside and reported as the Fault `lockoutsUnreadable`; counting starts over.
   */
  static async open(stateDirectory: string, onFault: (fault: Fault) => void): Promise<LockoutFile> {
    const file = path.join(stateDirectory, 'pin-lockouts.json');
    try {
      return new LockoutFile(file, contentSchema.parse(JSON.parse(await readFile(file, 'utf8'))));
    } catch (cause) {
      if (!isMissingFile(cause)) {
        await rename(file, `${file}.unreadable`).catch(() => undefined);
        const message = `${file} cannot be used and was set aside: wrong PINs are counted anew`;
        onFault(new Fault('lockoutsUnreadable', message, { cause }));
      }
      return new LockoutFile(file, {});
    }
  }

  /** Resolves once this and all earlier saves are on the medium. Throws `diskFull`, `fileNotWritten`. */
  async save(lockouts: StoredLockouts): Promise<void> {
    const turn = this.#last.then(() => writeFileDurably(this.#file, JSON.stringify(lockouts)));
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}
