/** While others are served, so many times what a piece of a long work took is left to them. */
const leftTimes = 3;
const longestPauseMs = 1000;

/**
 * Between two pieces of a long work: waits if requests were answered since the last one, and says whether there were any.
 * @param answeredRequests so many so far
 */
export function createGiveWay(
  answeredRequests: () => number,
  pause: (ms: number) => Promise<unknown>,
): (workedMs: number) => Promise<boolean> {
  let before = answeredRequests();
  return async (workedMs) => {
    const now = answeredRequests();
    const isServing = now !== before;
    before = now;
    if (isServing) await pause(Math.min(longestPauseMs, workedMs * leftTimes));
    return isServing;
  };
}
