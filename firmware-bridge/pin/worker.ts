import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { hashPinSync, judgePin } from '#hub/platform/pin-hash.ts';
import type { PinJob, PinVerdict } from './checks.ts';

/*
 * Checks PINs one after the other, so that no door waits and memory is that of one check. Linux keeps the priority
 * per thread: on a box with two processors taps go first. The lowest priority would starve while somebody waits at
 * the door.
 */
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
parentPort?.on('message', ({ pin, secret }: PinJob) => {
  const verdict: PinVerdict = judgePin(hashPinSync(pin, secret.salt), secret);
  parentPort?.postMessage(verdict);
});
