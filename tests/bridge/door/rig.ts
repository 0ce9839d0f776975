import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type BridgeConfig, bridgeConfigSchema } from '#bridge/config.ts';
import { lineRequests } from '#bridge/door/line-requests.ts';
import { DoorThread } from '#bridge/door/thread.ts';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { PolicyAge } from '#bridge/policy/policy.ts';
import type { CommandOutcome } from '#bridge/ports.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { noPins } from '#tests/_support/doors/no-pins.ts';
import { TestTime, waitUntil } from '../fixtures.ts';
import { makePolicy, type TestCard, type TestDocument } from '../policy/fixtures.ts';
import { MemoryGpio } from './memory-gpio.ts';

export const strike = 17;
export const contact = 27;
export const rex = 24;
export const led = 22;

const wiring = (failMode: 'secure' | 'safe' = 'secure', moreReaders: readonly object[] = []): BridgeConfig =>
  bridgeConfigSchema.parse({
    fire: { line: 26 },
    portals: [
      {
        key: 'front',
        name: 'Front door',
        readers: [
          { key: 'front-reader', wiring: { kind: 'wiegand', d0: 5, d1: 6 }, led: { line: led } },
          ...moreReaders,
        ],
        strike: { line: strike, failMode },
        contact: { line: contact },
        rex: { line: rex },
      },
    ],
  });

/** The door thread on memory lines and a real journal; time stands still until it is advanced. */
export interface Rig {
  readonly time: TestTime;
  readonly gpio: MemoryGpio;
  readonly thread: DoorThread;
  readonly journal: Journal;
  readonly replies: { commandId: string; outcome: CommandOutcome }[];
  readonly taps: CardRead[];
  readonly age: PolicyAge;
  /** What readers on serial lines were told. */
  readonly serialOrders: Record<string, unknown>[];
  readonly folder: string;
  readonly close: () => Promise<void>;
}

const key = randomBytes(32);

export async function newRig(
  how: {
    failMode?: 'secure' | 'safe';
    maxBytes?: number;
    simulated?: boolean;
    moreReaders?: readonly object[];
    /** Of a rig before, to go on with its journal. */
    folder?: string;
  } = {},
): Promise<Rig> {
  const folder = how.folder ?? mkdtempSync(join(tmpdir(), 'doors-'));
  const time = new TestTime();
  const config = wiring(how.failMode, how.moreReaders);
  const gpio = new MemoryGpio(lineRequests(config));
  const journal = await Journal.open({
    disk: openJournalDisk(join(folder, 'journal')),
    key,
    bootId: randomUUID(),
    maxBytes: how.maxBytes ?? 64 * 1024 * 1024,
    trustedNowMs: () => time.nowMs(),
    later: time.later,
  });
  const replies: Rig['replies'] = [];
  const taps: CardRead[] = [];
  const serialOrders: Rig['serialOrders'] = [];
  const age = new PolicyAge(time, null);
  age.confirm();
  const thread = new DoorThread({
    config,
    clock: time,
    later: time.later,
    journal,
    gpio,
    policyAge: age,
    reply: (commandId, outcome) => replies.push({ commandId, outcome }),
    onChange: () => undefined,
    onFault: () => undefined,
    tap:
      how.simulated === false
        ? null
        : (_readerKey, { read }) => {
            if (read !== undefined) taps.push(read);
            return Promise.resolve();
          },
    recentCommandIds: journal.recovery.recentCommandIds,
    serial: {
      signal: (readerKey, signal) => serialOrders.push({ readerKey, ...signal }),
      pair: (readerKey, forMs) => serialOrders.push({ readerKey, forMs }),
      cancelPairing: (readerKey) => serialOrders.push({ readerKey, cancel: true }),
      switchOutput: (readerKey, output, forMs) => serialOrders.push({ readerKey, output, forMs }),
    },
    ...noPins,
  });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    thread.stop();
    await journal.close();
  };
  onTestFinished(async () => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { time, gpio, thread, journal, replies, taps, age, serialOrders, folder, close };
}

/** A rig whose bridge has a policy and has taken its lines over. */
export async function startedRig(
  cards: readonly TestCard[] = [{ number: 1 }],
  document: TestDocument = {},
  how: Parameters<typeof newRig>[0] = {},
): Promise<Rig> {
  const rig = await newRig(how);
  rig.thread.swapPolicy(makePolicy(cards, document), false);
  rig.thread.start();
  return rig;
}

export async function eventsOf({ journal }: Rig): Promise<BridgeEvent[]> {
  await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
  return journal.readFrom(1, 10_000);
}

export const kindsOf = async (rig: Rig): Promise<string[]> =>
  (await eventsOf(rig)).map((event) => event.kind);
export const isReleased = ({ gpio }: Rig): boolean => gpio.read(strike) === 1;
