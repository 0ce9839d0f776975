import { posix } from 'node:path';
import { z } from 'zod';

const stableDevice =
  /^\/dev\/(?:serial\/by-(?:id|path)\/[^/]+|ttyAMA\d{1,3}|ttyS\d{1,3}|serial[01]|pts\/\d{1,7})$/;
const numberedAdapter = /^\/dev\/tty(?:USB|ACM)\d*$/;

/** Describes what is wrong with `path` as a serial port, with the next step; null if nothing is. */
function portProblem(path: string): string | null {
  if (numberedAdapter.test(path))
    return `${path} is numbered in the order in which adapters were found and may be another one after a restart: use its name under /dev/serial/by-id/ (ls -l /dev/serial/by-id).`;
  if (!path.startsWith('/') || posix.normalize(path) !== path || path.endsWith('/'))
    return 'Give the whole path of the port, beginning with / and without "..".';
  if (path.startsWith('/dev/') && !stableDevice.test(path))
    return 'A serial port is a path under /dev/serial/by-id/ or /dev/serial/by-path/, or a built-in UART: /dev/ttyAMA0, /dev/ttyS0, /dev/serial0.';
  return null;
}

/**
 * A serial port by a stable name: under `/dev/serial/by-id/` or `/dev/serial/by-path/`, or a UART of the board. Any
 * path outside `/dev` is accepted too: simulations and tests put their pseudo terminals there.
 */
export const serialPortSchema = z
  .string()
  .min(2)
  .max(255)
  .regex(/^[\x21-\x7e]+$/, { error: 'The path of a serial port has neither spaces nor control characters.' })
  .superRefine((path, context) => {
    const message = portProblem(path);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
