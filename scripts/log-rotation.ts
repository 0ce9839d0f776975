import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';

/** Of one log file; with the two that are set aside a service keeps three times as much. */
const maxBytes = 10 * 1024 * 1024;

/**
 * Sets a log that has grown too large aside, as `<file>.1` (and what was that as `.2`), and empties it. The service goes
 * on writing into the same open file, which appends: so it is copied and emptied, not renamed. A line that is written
 * between the two is lost; on a full disk all of them are.
 */
export async function boundLog(file: string, limitBytes = maxBytes): Promise<boolean> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size < limitBytes) return false;
  await rename(`${file}.1`, `${file}.2`).catch(() => undefined);
  // With no room for the copy the log makes room by being emptied.
  await copyFile(file, `${file}.1`).catch(() => rm(`${file}.1`, { force: true }));
  await truncate(file);
  return true;
}
