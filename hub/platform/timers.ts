/** Runs something once after `ms`; the returned function calls it off. */
export type After = (ms: number, run: () => void) => () => void;

/** Timers that do not keep the process alive. */
export const processTimers: After = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
