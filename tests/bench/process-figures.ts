import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

function fieldOf(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'));
  if (found?.[1] === undefined) throw new Error(`${file} has no ${name}`);
  return Number(found[1]);
}

/** Resident memory, MiB: all of it, and the part that is the process's own. */
export const memoryOf = (pid: number): { readonly rss: number; readonly anonymous: number } => ({
  rss: fieldOf(`/proc/${pid}/status`, 'VmRSS') / 1024,
  anonymous: fieldOf(`/proc/${pid}/status`, 'RssAnon') / 1024,
});

/** Bytes given to write calls of any kind, and bytes sent to the block layer. */
export const writtenBy = (pid: number): { readonly calls: number; readonly blocks: number } => ({
  calls: fieldOf(`/proc/${pid}/io`, 'wchar'),
  blocks: fieldOf(`/proc/${pid}/io`, 'write_bytes'),
});

/** Microseconds since the boot in which some process waited for a processor; null where the kernel does not count it. */
export function processorWaitMicros(): number | null {
  try {
    const found = /^some .*total=(\d+)$/m.exec(readFileSync('/proc/pressure/cpu', 'utf8'));
    return found === null ? null : Number(found[1]);
  } catch {
    return null;
  }
}

/** Bytes in the journal's segments that are written, and what the segments take with the zeros behind. */
export function journalBytes(stateDir: string): { readonly used: number; readonly files: number } {
  const directory = path.join(stateDir, 'bridge/journal');
  let used = 0;
  let files = 0;
  for (const name of readdirSync(directory)) {
    const bytes = readFileSync(path.join(directory, name));
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end -= 1;
    used += end;
    files += bytes.length;
  }
  return { used, files };
}
