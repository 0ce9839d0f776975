import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { hashPinSync, judgePin } from '#hub/platform/pin-hash.ts';
import type { PinJob, PinVerdict } from './checks.ts';

/*
 * Checks one PIN after the other, so that no door waits for one and their memory is that of one. Linux keeps the priority
 * of each thread by itself: where two processors have all of the box to do, taps go first. The lowest one would starve: somebody
 * stands at the door and waits.
 */
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
parentPort?.on('message', ({ pin, secret }: PinJob) => {
  const verdict: PinVerdict = judgePin(hashPinSync(pin, secret.salt), secret);
  parentPort?.postMessage(verdict);
});
