import type { DoorThreadDeps } from '#bridge/door/thread.ts';

/** For doors at which nobody types: no Worker, no file. */
export const noPins: Pick<DoorThreadDeps, 'pinChecks' | 'lockouts'> = {
  pinChecks: {
    check: () => Promise.reject(new Error('nobody types a PIN here')),
    stop: () => Promise.resolve(),
  },
  lockouts: { stored: {}, save: () => Promise.reject(new Error('nobody types a PIN here')) },
};
