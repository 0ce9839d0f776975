import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSimulatedPanel, type SimulatedPanel } from '#bridge/gpio/simulated-panel.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { cardBits, setDoor, simulatedLevel, untilLevel } from '#tests/_support/doors/doors.ts';
import { until } from '#tests/_support/until.ts';

const front = { d0: 5, d1: 6 };
const back = { d0: 7, d1: 8 };
const frontStrike = 17;
const backStrike = 18;
const member = cardBits('123:4567');
const stranger = cardBits('1:1');

const config = `
gpio: { port: fake }
portals:
  - key: front
    name: Front door
    readers: [{ key: front-reader, wiring: { kind: wiegand, d0: 5, d1: 6 } }]
    strike: { line: 17, failMode: secure }
  - key: back
    name: Back door
    readers: [{ key: back-reader, wiring: { kind: wiegand, d0: 7, d1: 8, fixedBits: 26 } }]
    strike: { line: 18, failMode: secure }
`;

describe('frames on the lines of two readers', () => {
  let appliance: Appliance;
  let panel: SimulatedPanel;
  beforeAll(async () => {
    const stateDir = mkdtempSync(path.join(tmpdir(), 'mc-'));
    const bridgeConfig = path.join(stateDir, 'bridge.yaml');
    writeFileSync(bridgeConfig, config);
    appliance = await Appliance.create({ stateDir, bridgeConfig });
    await appliance.start('hub');
    panel = openSimulatedPanel(appliance.simulationDir);
    await appliance.start('bridge');
    await appliance.untilApplied();
    await appliance.furnish();
    await setDoor(appliance, 'front', { accessTimeSeconds: 1 });
  }, 60_000);
  afterAll(async () => {
    for (const part of ['bridge', 'hub'] as const) await appliance.stop(part);
    await panel.close();
    await appliance.close();
  });

  const journal = () => readJournalFiles(appliance.stateDir);
  /** What `work` leads to at a reader: the first so many entries that name it. */
  async function entriesOf(
    readerKey: string,
    count: number,
    work: () => Promise<unknown>,
  ): Promise<readonly BridgeEvent[]> {
    const before = (await journal()).length;
    await work();
    return until(`${count} entries of ${readerKey}`, async () => {
      const found = (await journal()).slice(before).filter((event) => event.readerKey === readerKey);
      return found.length >= count && found;
    });
  }
  const untilLocked = async (): Promise<void> => {
    await untilLevel(appliance, frontStrike, 0);
    await untilLevel(appliance, backStrike, 0);
  };

  it('that come at once are two cards, each at its own door', async () => {
    const both = () =>
      panel.tapFrames([
        { bits: member, ...front },
        { bits: stranger, ...back },
      ]);
    const [denied] = await entriesOf('back-reader', 1, both);
    expect(denied).toMatchObject({ kind: 'denied', reason: 'unknownCredential', portalKey: 'back' });
    await untilLevel(appliance, frontStrike, 1);
    expect((await journal()).findLast(({ readerKey }) => readerKey === 'front-reader')).toMatchObject({
      kind: 'granted',
      portalKey: 'front',
    });
    expect(simulatedLevel(appliance, backStrike)).toBe(0);
    await untilLocked();
  });

  it.each([200, 20_000])('are read with %i us between their bits', async (bitIntervalUs) => {
    const [granted] = await entriesOf('front-reader', 1, () =>
      panel.tapFrame({ bits: member, ...front, bitIntervalUs }),
    );
    expect(granted).toMatchObject({ kind: 'granted' });
    await untilLevel(appliance, frontStrike, 1);
    await untilLocked();
  });

  it('with a bit too many are another card, which nobody has', async () => {
    const [denied] = await entriesOf('front-reader', 1, () =>
      panel.tapFrame({ bits: `${member}1`, ...front }),
    );
    expect(denied).toMatchObject({ kind: 'denied', reason: 'unknownCredential' });
    expect(simulatedLevel(appliance, frontStrike)).toBe(0);
  });

  const flip = (bits: string, at: number): string =>
    bits.slice(0, at) + (bits[at] === '1' ? '0' : '1') + bits.slice(at + 1);

  it('that are cut short, garbled, noise or full of holes are faults, never cards, and the doors go on', async () => {
    const before = (await journal()).length;
    const [fault] = await entriesOf('front-reader', 1, () =>
      panel.tapFrame({ bits: member.slice(0, 13), ...front }),
    );
    expect(fault).toMatchObject({ kind: 'readFault', count: 1, note: 'truncated, 13 bits' });
    const [wrong] = await entriesOf('back-reader', 1, () =>
      panel.tapFrame({ bits: flip(member, 0), ...back }),
    );
    expect(wrong).toMatchObject({ kind: 'readFault', count: 1, note: 'parity, 26 bits' });
    // Those of the next minute are counted, not written one by one.
    for (let at = 0; at < 26; at += 5) await panel.tapFrame({ bits: flip(member, at), ...front });
    await panel.tapFrame({ bits: member.slice(1), ...front });
    await panel.tapFrame({ bits: '0'.repeat(200), ...front });
    const noise = Array.from({ length: 300 }, (_, index) => ({
      offset: index % 3 === 0 ? front.d0 : front.d1,
      rising: false,
      afterUs: index * 40,
    }));
    await panel.playEdges(noise);
    await panel.playEdges(
      [front.d0, front.d1, back.d0, back.d1].map((offset) => ({ offset, rising: false, afterUs: 0 })),
    );
    await panel.tapFrame({ bits: member.slice(0, 20), ...front });
    await panel.skipEdges(3);
    await panel.tapFrame({ bits: member.slice(0, 23), ...front });

    const [granted] = await entriesOf('front-reader', 1, () => panel.tapFrame({ bits: member, ...front }));
    expect(granted).toMatchObject({ kind: 'granted' });
    await untilLevel(appliance, frontStrike, 1);
    const since = (await journal()).slice(before);
    expect(since.filter(({ kind }) => kind === 'denied')).toEqual([]);
    expect(since.filter(({ kind }) => kind === 'granted')).toHaveLength(1);
    expect(since.filter(({ kind }) => kind === 'readFault')).toHaveLength(2);
    expect(simulatedLevel(appliance, backStrike)).toBe(0);
  });
});
