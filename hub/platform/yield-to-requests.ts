/** While requests come in, pauses last this many times as long as the piece of work before. */
const pauseFactor = 3;
const longestPauseMs = 1000;

/**
 * Makes a function to call between two pieces of a long task: it pauses if requests were answered since the last call,
 * and returns whether there were any.
 * @param answeredRequests counts requests answered so far
 */
export function createYieldToRequests(
  answeredRequests: () => number,
  pause: (ms: number) => Promise<unknown>,
): (workedMs: number) => Promise<boolean> {
  let before = answeredRequests();
  return async (workedMs) => {
    const now = answeredRequests();
    const isServing = now !== before;
    before = now;
    if (isServing) await pause(Math.min(longestPauseMs, workedMs * pauseFactor));
    return isServing;
  };
}
