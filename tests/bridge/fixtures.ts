import { type JournalEntry } from '#bridge/journal/entry.ts';
import { accessChecks } from '#hub/domains/access/schema.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';

/** The largest event that an ordinary tap makes. */
export const fullGrant = (changed: Partial<JournalEntry> = {}): JournalEntry => ({
  kind: 'granted',
  wallMs: 1_795_000_000_123,
  clockTrust: 'ntp',
  monotonicMs: 86_400_000,
  portalKey: 'front',
  readerKey: 'front-reader',
  credentialId: '01990000-0000-7000-8000-000000000001',
  memberId: '01990000-0000-7000-8000-000000000002',
  digest: '00112233445566778899aabbccddeeff',
  checks: accessChecks.map((check) => ({ check, passed: true })),
  ruleId: '01990000-0000-7000-8000-000000000003',
  mode: 'controlled',
  policyEpoch: 3,
  policyRevision: 123_456,
  ...changed,
});

/** A clock and its timers that move only when the test moves them. */
export class TestTime implements Clock {
  wallMs: number;
  trustNow: ClockTrust = 'ntp';
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(wallMs = Date.UTC(2026, 10, 23, 12)) {
    this.wallMs = wallMs;
  }

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  trust(): ClockTrust {
    return this.trustNow;
  }

  readonly later = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((candidate) => candidate !== timer);
    };
  };

  get waitingTimers(): number {
    return this.#timers.length;
  }

  #to(atMs: number): void {
    const passed = Math.max(0, atMs - this.#nowMs);
    this.#nowMs += passed;
    this.wallMs += passed;
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.atMs <= untilMs)
        .sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#to(next.atMs);
      next.run();
    }
    this.#to(untilMs);
  }
}

/** Waits until `isTrue`, looking again every ms, so that Workers of low priority get their turn; fails after `withinMs`. */
export async function waitUntil(isTrue: () => boolean, what: string, withinMs = 30_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!isTrue()) {
    if (performance.now() > endMs)
      throw new Error(`it did not happen within ${String(withinMs)} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
