import { z } from 'zod';
import { type ClockTrust, clockTrustSchema } from '#hub/kernel/time.ts';

/** A difference between two clocks that drift and adjustments explain. */
const toleranceMs = 60_000;

/** Reading of the machine's clocks at one moment. */
export interface KernelFacts {
  /** UTC ms, whatever the system clock shows. */
  readonly wallMs: number;
  /** Ms since the machine's boot, never going back. */
  readonly monotonicMs: number;
  /** Names one boot of the machine. */
  readonly bootId: string;
  /** The kernel's clock is kept by NTP now, or was set by it since boot. */
  readonly synchronized: boolean;
  /** UTC ms of the battery-backed clock that the kernel took its time from at boot; null: there was none, or it is mute. */
  readonly rtcMs: number | null;
}

/** The time as it runs: `anchorMs` at `anchorMonotonicMs`, and on by the monotonic clock. */
export interface ClockState {
  readonly anchorMs: number;
  readonly anchorMonotonicMs: number;
  readonly bootId: string;
  readonly trust: ClockTrust;
}

/** The high-water mark: a moment that has certainly passed. Also what a restart within the same boot goes on from. */
export const clockMarkSchema = z.strictObject({
  wallMs: z.number().int(),
  monotonicMs: z.number(),
  bootId: z.string().max(64),
  trust: clockTrustSchema,
});
export type ClockMark = z.infer<typeof clockMarkSchema>;

export const timeAt = (state: ClockState, monotonicMs: number): number =>
  state.anchorMs + (monotonicMs - state.anchorMonotonicMs);

/**
 * Whether the battery-backed clock may vouch for the system's time. One whose battery is missing starts in 1970 or 2000,
 * and then the system lifts its clock to the last shutdown: what has certainly passed and what the system shows are both
 * ahead of it.
 */
const isRtcSound = ({ rtcMs, wallMs }: KernelFacts, expectedMs: number | undefined): boolean =>
  rtcMs !== null && rtcMs >= Math.max(wallMs, expectedMs ?? wallMs) - toleranceMs;

/**
 * The time now and how far it is to be trusted. `expectedMs` is what our own time says without the system clock: never
 * less than the mark, undefined at the very first start. `held` is the trust that was earned since the machine's boot. The
 * battery-backed clock is asked only when the process first runs in a boot: later, a wrong system time may stand in it.
 */
function decideTime(
  facts: KernelFacts,
  expectedMs: number | undefined,
  held: ClockTrust,
  { trustSystem, isBooting }: { readonly trustSystem: boolean; readonly isBooting: boolean },
): { readonly nowMs: number; readonly trust: ClockTrust } {
  const { wallMs } = facts;
  // The one case in which time may go back: the mark itself was wrong.
  if (facts.synchronized) return { nowMs: wallMs, trust: 'ntp' };
  const floorMs = expectedMs ?? wallMs;
  if (held === 'hub') return { nowMs: floorMs, trust: 'hub' };
  if (held === 'ntp') {
    // NTP set the clock since boot; without it the clock drifts by seconds a day. A jump is somebody's hand.
    const isNear = Math.abs(wallMs - floorMs) <= toleranceMs;
    return { nowMs: isNear ? Math.max(wallMs, floorMs) : floorMs, trust: 'ntp' };
  }
  const wasSetBack = wallMs < floorMs - toleranceMs;
  const nowMs = Math.max(wallMs, floorMs);
  if (trustSystem) return { nowMs, trust: wasSetBack ? 'restored' : 'ntp' };
  if (held === 'rtc' || (isBooting && isRtcSound(facts, expectedMs)))
    return { nowMs, trust: wasSetBack ? 'restored' : 'rtc' };
  return { nowMs, trust: expectedMs === undefined || held === 'none' ? 'none' : 'restored' };
}

const stateOf = (facts: KernelFacts, time: { nowMs: number; trust: ClockTrust }): ClockState => ({
  anchorMs: time.nowMs,
  anchorMonotonicMs: facts.monotonicMs,
  bootId: facts.bootId,
  trust: time.trust,
});

/** The time at the start of a process. After a boot only the mark is known; within one boot, time went on from it. */
export function startTime(facts: KernelFacts, mark: ClockMark | undefined, trustSystem: boolean): ClockState {
  if (mark === undefined)
    return stateOf(facts, decideTime(facts, undefined, 'none', { trustSystem, isBooting: true }));
  const isSameBoot = mark.bootId === facts.bootId && facts.monotonicMs >= mark.monotonicMs;
  const expectedMs = isSameBoot ? mark.wallMs + (facts.monotonicMs - mark.monotonicMs) : mark.wallMs;
  const held = isSameBoot ? mark.trust : 'restored';
  return stateOf(facts, decideTime(facts, expectedMs, held, { trustSystem, isBooting: !isSameBoot }));
}

/** The time a while later, with what the machine says then. */
export const continueTime = (state: ClockState, facts: KernelFacts, trustSystem: boolean): ClockState =>
  stateOf(
    facts,
    decideTime(facts, timeAt(state, facts.monotonicMs), state.trust, { trustSystem, isBooting: false }),
  );

/**
 * A bridge learns the hub's time. A clock that NTP keeps stays as it is; a hub that knows the time is believed; one that
 * does not know it either can only move our time forward.
 */
export function adoptTime(
  state: ClockState,
  facts: Pick<KernelFacts, 'monotonicMs' | 'bootId'>,
  hub: { readonly wallMs: number; readonly trust: ClockTrust },
): ClockState {
  const at = { anchorMonotonicMs: facts.monotonicMs, bootId: facts.bootId };
  if (state.trust === 'ntp') return state;
  if (hub.trust === 'ntp' || hub.trust === 'rtc' || hub.trust === 'hub')
    return { ...at, anchorMs: hub.wallMs, trust: 'hub' };
  if (state.trust === 'rtc' || state.trust === 'hub') return state;
  const trust = hub.trust === 'restored' ? 'restored' : state.trust;
  return { ...at, anchorMs: Math.max(timeAt(state, facts.monotonicMs), hub.wallMs), trust };
}
