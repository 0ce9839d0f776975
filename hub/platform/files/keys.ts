import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '#hub/kernel/result.ts';
import { makePrivateDirectory, writeFileDurably } from './durable-file.ts';

export const keyBytes = 32;

export type KeyFaultCode = 'keyMissing' | 'keyExposed' | 'keyTorn' | 'keyUnreadable';

/**
 * Reads a secret key of 32 bytes. Throws the Faults `keyMissing`, `keyExposed` (others may read it), `keyTorn` (not 32
 * bytes) and `keyUnreadable`; each message names the file and the next step, never the content.
 */
export async function readKey(file: string): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw openFault(file, cause);
  });
  try {
    const { mode } = await handle.stat();
    if ((mode & 0o077) !== 0)
      throw new Fault<KeyFaultCode>(
        'keyExposed',
        `other users may read the key ${file} (mode ${(mode & 0o777).toString(8)}): if nobody did, chmod 600 it`,
      );
    const bytes = await handle.readFile();
    if (bytes.length !== keyBytes)
      throw new Fault<KeyFaultCode>(
        'keyTorn',
        `the key ${file} has ${bytes.length} bytes and must have ${keyBytes}: put it back from a backup`,
      );
    return bytes;
  } finally {
    await handle.close();
  }
}

function openFault(file: string, cause: unknown): Fault<KeyFaultCode> {
  const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
  return missing
    ? new Fault('keyMissing', `the key ${file} does not exist: put it back from a backup`, { cause })
    : new Fault('keyUnreadable', `the key ${file} cannot be opened: it must belong to this process's user`, {
        cause,
      });
}

/** The key in `file`, made on the first run (file 0600, directory 0700, on the disk before it is used). */
export async function readOrMakeKey(file: string): Promise<Buffer> {
  try {
    return await readKey(file);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'keyMissing') throw error;
  }
  await makePrivateDirectory(path.dirname(file));
  const key = randomBytes(keyBytes);
  await writeFileDurably(file, key, 0o600);
  return key;
}
