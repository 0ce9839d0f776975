import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import { isMissingFile, writeFileDurably } from '#hub/platform/durable-file.ts';
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

/** The wrong PINs of the readers, so that a restart does not forget them. No PIN and no member is in it. */
export class LockoutFile {
  readonly #file: string;
  readonly stored: StoredLockouts;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string, stored: StoredLockouts) {
    this.#file = file;
    this.stored = stored;
  }

  /** Never fails: a file that cannot be used is set aside and told as the Fault `lockoutsUnreadable`; counting begins anew. */
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

  /** When it resolves, this and all before are on the medium. Throws `diskFull`, `fileNotWritten`. */
  async save(lockouts: StoredLockouts): Promise<void> {
    const turn = this.#last.then(() => writeFileDurably(this.#file, JSON.stringify(lockouts)));
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}
