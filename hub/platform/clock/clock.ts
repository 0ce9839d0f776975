import type { ClockTrust } from '#hub/kernel/time.ts';

/** The time, injected everywhere: tests advance it, a Pi without a clock says so. */
export interface Clock {
  /** UTC ms. */
  nowMs(): number;
  /** Ms from an arbitrary start, never going back. */
  monotonicMs(): number;
  trust(): ClockTrust;
}
