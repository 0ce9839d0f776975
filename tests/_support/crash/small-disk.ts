import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';

export interface SmallDisk {
  /** Takes all the space that is left, to the last byte. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  unmount(): void;
}

/** The test command prints these lines at its end. */
function leaveOut(what: string, why: string): void {
  const line = `- ${what}: ${why}\n`;
  const file = process.env.MAKRCAVE_LEFT_OUT_FILE;
  if (file === undefined) process.stderr.write(`LEFT OUT ${line}`);
  else appendFileSync(file, line);
}

/**
 * Makes `folder` a file system of its own, of so many KiB. Null where this machine does not allow it (not root): `what`
 * is then noted as left out.
 */
export function mountSmallDisk(folder: string, kibibytes: number, what: string): SmallDisk | null {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const options = `size=${kibibytes}k,mode=700`;
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { encoding: 'utf8' });
  if (mount.status !== 0) {
    const reason = mount.error?.message ?? mount.stderr.trim().split('\n')[0];
    leaveOut(what, `no small file system could be mounted (${reason})`);
    return null;
  }
  const ballast = path.join(folder, 'ballast');
  return {
    fill() {
      const file = openSync(ballast, 'a');
      // Large pieces first; a write that meets the end is short, the next one fails.
      try {
        for (let bytes = 65_536; bytes >= 1; )
          try {
            if (writeSync(file, Buffer.alloc(bytes, 1)) < bytes) bytes = Math.floor(bytes / 16);
          } catch {
            bytes = Math.floor(bytes / 16);
          }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    unmount: () => void spawnSync('umount', ['-l', folder]),
  };
}
