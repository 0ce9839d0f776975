import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bridgeConfigSchema } from '#bridge/config.ts';
import { lineRequests } from '#bridge/door/line-requests.ts';
import { DoorThread } from '#bridge/door/thread.ts';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { PolicyAge } from '#bridge/policy/policy.ts';
import { createSystemClock } from '#hub/platform/clock/system-clock.ts';
import { noPins } from '#tests/_support/doors/no-pins.ts';
import { MemoryGpio } from '#tests/bridge/door/memory-gpio.ts';
import { cardNumber, makePolicy } from '#tests/bridge/policy/fixtures.ts';

const strike = 2;
const contact = 3;
const key = Buffer.alloc(32, 9);

const config = bridgeConfigSchema.parse({
  portals: [
    {
      key: 'front',
      name: 'Front door',
      readers: [{ key: 'front-reader', wiring: { kind: 'wiegand', d0: 5, d1: 6, fixedBits: 26 } }],
      strike: { line: strike, failMode: 'secure' },
      contact: { line: contact, debounceMs: 0 },
    },
  ],
});

/**
 * The real door thread with the real policy code and a journal on the disk: ms from a card's last edges to the strike,
 * through frame, digest, look-up, decision and journal. `fdatasync` runs beside it as always.
 */
export async function measureDecisions(
  credentials: number,
  wanted: { readonly runs: number; readonly taps: number },
): Promise<number[][]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'mc-decision-'));
  const clock = createSystemClock({ markFile: path.join(directory, 'clock.json'), trustSystem: true });
  const later = (delayMs: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  };
  const journal = await Journal.open({
    disk: openJournalDisk(path.join(directory, 'journal')),
    key,
    bootId: crypto.randomUUID(),
    maxBytes: 512 * 1024 * 1024,
    trustedNowMs: () => clock.nowMs(),
    later,
  });
  const gpio = new MemoryGpio(lineRequests(config));
  const policyAge = new PolicyAge(clock, null);
  policyAge.confirm();
  const thread = new DoorThread({
    config,
    clock,
    later,
    journal,
    gpio,
    policyAge,
    reply: () => undefined,
    onChange: () => undefined,
    onFault: (where, error) => {
      throw new Error(where, { cause: error });
    },
    tap: null,
    recentCommandIds: [],
    serial: {
      signal: () => undefined,
      pair: () => undefined,
      cancelPairing: () => undefined,
      switchOutput: () => undefined,
    },
    ...noPins,
  });
  const cards = Array.from({ length: credentials }, (_, number) => ({ number }));
  thread.swapPolicy(makePolicy(cards, { settings: { relock: 'onOpen' } }), false);
  thread.start();
  let releasedMs = 0;
  gpio.onWrite = (offset, level) => {
    if (offset === strike && level === 1) releasedMs = performance.now();
  };
  const runs: number[][] = [];
  try {
    for (let run = 0; run <= wanted.runs; run += 1) {
      const samples: number[] = [];
      for (let tap = 0; tap < wanted.taps; tap += 1) {
        // Far apart in the records, in no order.
        const card = cardNumber((tap * 48_271 + run * 7919) % credentials);
        releasedMs = Number.NaN;
        const startMs = performance.now();
        gpio.tap(card);
        samples.push(releasedMs - startMs);
        gpio.set(contact, 1);
        gpio.set(contact, 0);
        await pause(0);
      }
      if (samples.some(Number.isNaN)) throw new Error('a tap was not granted');
      // The first run warms the compiler up, as the first taps of a morning do not: printed figures leave it out.
      if (run > 0) runs.push(samples);
    }
  } finally {
    thread.stop();
    await journal.close();
    clock.close();
    await rm(directory, { recursive: true, force: true });
  }
  return runs;
}
