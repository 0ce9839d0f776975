import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '#hub/kernel/result.ts';

export type FileFaultCode = 'diskFull' | 'fileNotWritten';

const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** True for the error of a file that does not exist. */
export const isMissingFile = (error: unknown): boolean => isErrno(error, 'ENOENT');

function writeFault(file: string, cause: unknown): Fault<FileFaultCode> {
  return isErrno(cause, 'ENOSPC', 'EDQUOT')
    ? new Fault('diskFull', `the disk is full: ${file} keeps its former content`, { cause })
    : new Fault('fileNotWritten', `${file} cannot be written; it keeps its former content`, { cause });
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whole, or piece by piece. */
type FileContent = string | Uint8Array | Iterable<Uint8Array>;

async function fill(handle: FileHandle, content: FileContent, mode: number): Promise<void> {
  try {
    await handle.writeFile(content);
    // The mode given to open() is narrowed by the umask; this is the one that was asked for.
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces `file` as a whole: after a crash or a power cut it holds either what it held before or all of `content`.
 * When the promise resolves, the content and the name are on the disk. Throws the Faults `diskFull`, `fileNotWritten`.
 */
export async function writeFileDurably(file: string, content: FileContent, mode = 0o600): Promise<void> {
  const directory = path.dirname(file);
  const draft = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await fill(await open(draft, 'wx', mode), content, mode);
    await rename(draft, file);
    await syncDirectory(directory);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw writeFault(file, cause);
  }
}

/** Makes `directory` and those above it that are missing, for this user only (0700). */
export async function makePrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw writeFault(directory, cause);
  }
}
