import { readFile, stat } from 'node:fs/promises';

/** Locks of the kernel, one a line: `1: POSIX  ADVISORY  WRITE 812 fe:01:1234 120 120`. */
const lockLine =
  /^\d+: POSIX +ADVISORY +WRITE (?<pid>\d+) [0-9a-f]+:[0-9a-f]+:(?<inode>\d+) (?<start>\d+) (?<end>\d+|EOF)$/;
/** Bytes of `-shm` that SQLite locks to write. */
const writeLockByte = 120;

/** A process that holds the lock. */
export interface LockHolder {
  readonly pid: number;
  /** What it was started with, shortened; null where it cannot be read. */
  readonly program: string | null;
}

const maxProgramLength = 120;

const inodeOf = (file: string): Promise<string | null> =>
  stat(file, { bigint: true }).then(
    ({ ino }) => String(ino),
    () => null,
  );

async function programOf(pid: number): Promise<string | null> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const text = words.split('\0').join(' ').trim();
  return text === '' ? null : text.slice(0, maxProgramLength);
}

/**
 * Finds the other process that keeps the store at `path` from being written; null when there is none, or it cannot be
 * seen from here (another user's container). Reads what the kernel lists and opens none of SQLite's files: closing one
 * would give up all locks that this process has on it.
 */
export async function findLockHolder(path: string): Promise<LockHolder | null> {
  const [database, shared, text] = await Promise.all([
    inodeOf(path),
    inodeOf(`${path}-shm`),
    readFile('/proc/locks', 'utf8').catch(() => ''),
  ]);
  for (const line of text.split('\n')) {
    const lock = lockLine.exec(line.trim())?.groups;
    if (lock === undefined) continue;
    const end = lock['end'] === 'EOF' ? Number.POSITIVE_INFINITY : Number(lock['end']);
    const holdsWrites =
      lock['inode'] === shared && Number(lock['start']) <= writeLockByte && end >= writeLockByte;
    const pid = Number(lock['pid']);
    if ((holdsWrites || lock['inode'] === database) && pid > 0 && pid !== process.pid)
      return { pid, program: await programOf(pid) };
  }
  return null;
}
