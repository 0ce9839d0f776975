import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSimulatedPanel, type SimulatedPanel } from '#bridge/gpio/simulated-panel.ts';
import type { Bridge } from '#hub/domains/access/bridges/schema.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { mountSmallDisk, type SmallDisk } from '#tests/_support/crash/small-disk.ts';
import { cardBits, setDoor, simulatedLevel, untilLevel } from '#tests/_support/doors/doors.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

const front = { d0: 5, d1: 6, strike: 17, rex: 24 };
const back = { d0: 7, d1: 8, strike: 18 };
const member = cardBits('123:4567');
const stranger = cardBits('1:1');

describe('a bridge whose disk is full', () => {
  let appliance: Appliance;
  let disk: SmallDisk | null = null;
  let panel: SimulatedPanel;
  /** Kernel time, ns, as the hardware's player makes it: ahead of the clock after a flood. */
  let stampNs = process.hrtime.bigint();
  beforeAll(async () => {
    appliance = await Appliance.create({ bridgeConfig: path.join(import.meta.dirname, '../two-doors.yaml') });
    disk = mountSmallDisk(path.join(appliance.stateDir, 'bridge'), 3072, 'the bridge on a full disk');
    if (disk === null) return;
    await appliance.start('hub');
    // In this process, so that it can play cards faster than time passes.
    panel = openSimulatedPanel(appliance.simulationDir);
    await appliance.start('bridge');
    await appliance.untilApplied();
    await appliance.furnish();
    await setDoor(appliance, 'front', { onJournalFault: 'deny', accessTimeSeconds: 1 });
    await setDoor(appliance, 'back', { onJournalFault: 'grantAndCount', accessTimeSeconds: 1 });
  }, 60_000);
  afterAll(async () => {
    for (const part of ['bridge', 'hub'] as const) await appliance.stop(part);
    await panel?.close();
    disk?.unmount();
    await appliance.close();
  });

  const tap = async (bits: string, ...readers: readonly { d0: number; d1: number }[]): Promise<void> => {
    stampNs += 50_000_000n;
    const frames = readers.map(({ d0, d1 }) => ({ bits, d0, d1, bitIntervalUs: 300 }));
    await panel.tapFrames(frames, { kind: 'stamped', firstNs: stampNs });
  };
  /** Strangers at both doors until nothing is written any more. */
  const flood = async (): Promise<void> => {
    for (let size = -1; ; ) {
      for (let taps = 0; taps < 200; taps += 1) await tap(stranger, front, back);
      const { length } = await readJournalFiles(appliance.stateDir);
      if (length === size) return;
      size = length;
    }
  };
  const bridge = async (): Promise<Bridge | undefined> =>
    ((await appliance.ask('GET', '/api/access-control/bridges')).items as Bridge[])[0];

  it('goes on in its reserve, then does as each door says, always lets out, and says what it could not write', {
    timeout: 60_000,
  }, async () => {
    if (disk === null) return;
    disk.fill();

    // The space that stands ready is enough for many taps more.
    await tap(member, front);
    await untilLevel(appliance, front.strike, 1);
    await untilLevel(appliance, front.strike, 0);
    await until('the grant at the hub', async () =>
      (await hubEvents(appliance)).some(({ kind }) => kind === 'granted'),
    );
    await flood();
    await until('the hub to know', async () => (await bridge())?.journal?.writable === false);
    const written = await readJournalFiles(appliance.stateDir);
    expect(written.length).toBeGreaterThan(1000);
    expect((await bridge())?.findings).toContainEqual(expect.objectContaining({ id: 'journal.notWritable' }));

    for (let grants = 0; grants < 2; grants += 1) {
      await tap(member, back);
      await untilLevel(appliance, back.strike, 1);
      await untilLevel(appliance, back.strike, 0);
      // In front it is denied, which the next grant at the back, decided after it, shows.
      if (grants === 0) await tap(member, front);
      expect(simulatedLevel(appliance, front.strike)).toBe(0);
    }
    await panel.setLine(front.rex, 1);
    await untilLevel(appliance, front.strike, 1);
    await panel.setLine(front.rex, 0);
    await untilLevel(appliance, front.strike, 0);
    expect(await readJournalFiles(appliance.stateDir)).toEqual(written);

    disk.free();
    await until('the journal to be writable', async () => (await bridge())?.journal?.writable === true);
    await tap(member, front);
    await untilLevel(appliance, front.strike, 1);
    const gap = await until('the gap at the hub', async () =>
      (await hubEvents(appliance)).find(({ kind }) => kind === 'journalGap'),
    );
    // At least two grants at the back, one denial in front, and the way out.
    expect(gap.count).toBeGreaterThanOrEqual(4);
    const journal = await until('the grant after it', async () => {
      const events = await readJournalFiles(appliance.stateDir);
      return events.at(-1)?.kind === 'granted' && events;
    });
    expect(journal.slice(written.length).map(({ kind }) => kind)).toEqual(['journalGap', 'granted']);
    const stored = await until('all of it at the hub', async () => {
      const events = await hubEvents(appliance);
      return events.length >= journal.length && events;
    });
    expect(stored.slice(0, journal.length).map(({ kind }) => kind)).toEqual(journal.map(({ kind }) => kind));
    expect(await bridge()).not.toMatchObject({
      findings: expect.arrayContaining([expect.objectContaining({ id: 'journal.notWritable' })]),
    });
  });
});
