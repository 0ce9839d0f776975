import { hkdfSync } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { ReaderKeyPair } from '#bridge/readers/kind.ts';
import { Fault } from '#hub/kernel/result.ts';
import { isMissingFile, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import { seal, unseal } from '#hub/platform/files/sealed-file.ts';

const purpose = 'makrcave reader keys';
const keyText = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .nullable();
const contentSchema = z.record(z.string(), z.strictObject({ own: keyText, pending: keyText }));
type Content = z.infer<typeof contentSchema>;

const noKeys: ReaderKeyPair = { own: null, pending: null };
const toBytes = (hex: string | null): Uint8Array | null => (hex === null ? null : Buffer.from(hex, 'hex'));
const toHex = (key: Uint8Array | null): string | null =>
  key === null ? null : Buffer.from(key).toString('hex');

/** Stores the keys of readers on buses, sealed under the bridge's key. Writes go one after the other. */
export class ReaderKeyFile {
  readonly #file: string;
  readonly #key: Buffer;
  #content: Content;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string, key: Buffer, content: Content) {
    this.#file = file;
    this.#key = key;
    this.#content = content;
  }

  /**
   * Never fails: an unusable file is set aside and reported as the Fault `readerKeysUnreadable`. Its readers have to
   * be paired again; all other doors go on.
   */
  static async open(
    stateDirectory: string,
    bridgeKey: Uint8Array,
    onFault: (fault: Fault) => void,
  ): Promise<ReaderKeyFile> {
    const file = path.join(stateDirectory, 'reader-keys.bin');
    const key = Buffer.from(hkdfSync('sha256', bridgeKey, Buffer.alloc(0), purpose, 32));
    try {
      const sealed = await readFile(file);
      const content = contentSchema.parse(JSON.parse(unseal(key, sealed, purpose).toString('utf8')));
      return new ReaderKeyFile(file, key, content);
    } catch (cause) {
      if (!isMissingFile(cause)) {
        await rename(file, `${file}.unreadable`).catch(() => undefined);
        const message = `${file} cannot be used and was set aside: its readers have to be paired again`;
        onFault(new Fault('readerKeysUnreadable', message, { cause }));
      }
      return new ReaderKeyFile(file, key, {});
    }
  }

  find(readerKey: string): ReaderKeyPair {
    const found = this.#content[readerKey];
    return found === undefined ? noKeys : { own: toBytes(found.own), pending: toBytes(found.pending) };
  }

  /**
   * Stores the key that the reader is about to get. Resolves once both keys are on the medium. Throws `diskFull`,
   * `fileNotWritten`.
   */
  savePending(readerKey: string, key: Uint8Array): Promise<void> {
    return this.#change(readerKey, (pair) => ({ ...pair, pending: toHex(key) }));
  }

  /** Makes the key that the reader has proved its own; the former one is forgotten. */
  saveOwn(readerKey: string, key: Uint8Array): Promise<void> {
    return this.#change(readerKey, () => ({ own: toHex(key), pending: null }));
  }

  async #change(readerKey: string, change: (pair: Content[string]) => Content[string]): Promise<void> {
    const turn = this.#last.then(async () => {
      const content = {
        ...this.#content,
        [readerKey]: change(this.#content[readerKey] ?? { own: null, pending: null }),
      };
      await writeFileDurably(this.#file, seal(this.#key, [Buffer.from(JSON.stringify(content))], purpose));
      this.#content = content;
    });
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}
