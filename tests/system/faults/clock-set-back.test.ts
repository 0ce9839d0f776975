import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bridge } from '#hub/domains/access/bridges/schema.ts';
import type { AccessEvent } from '#hub/domains/access/events/schema.ts';
import type { Rule } from '#hub/domains/access/rules/schema.ts';
import { createFactsReader } from '#hub/platform/clock/system-clock.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { cardBits, setDoor } from '#tests/_support/doors/doors.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

const dayMs = 86_400_000;
const front = { d0: 5, d1: 6 };
const back = { d0: 7, d1: 8 };
const parts = ['hub', 'simulator', 'bridge'] as const;

describe('a box whose clock was set back two weeks when it booted', () => {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'mc-'));
  const bridgeConfig = path.join(import.meta.dirname, '../two-doors.yaml');
  let appliance: Appliance;
  let markMs = 0;
  beforeAll(async () => {
    appliance = await Appliance.start({ stateDir, bridgeConfig });
    const { memberId } = await appliance.furnish('1:1');
    const enrol = (card: string, inDays: number) =>
      appliance.ask('POST', '/api/access-control/credentials', {
        memberId,
        card,
        validUntil: new Date(Date.now() + inDays * dayMs).toISOString(),
      });
    await enrol('1:7', 7);
    await enrol('1:20', 20);
    const [rule] = (await appliance.ask('GET', '/api/access-control/rules')).items as Rule[];
    const windows = [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, startMinute: 0, endMinute: 1440 }));
    await appliance.ask('PATCH', `/api/access-control/rules/${rule?.id}`, {
      version: rule?.version,
      windows,
    });
    await setDoor(appliance, 'front', { onUntrustedClock: 'denyTimed', accessTimeSeconds: 1 });
    await setDoor(appliance, 'back', { onUntrustedClock: 'ignoreWindows', accessTimeSeconds: 1 });
    for (const part of [...parts].reverse()) await appliance.stop(part);

    // The last run knew the time, which was two weeks after what the machine shows now, in another boot.
    markMs = Date.now() + 14 * dayMs;
    const mark = { wallMs: markMs, monotonicMs: 1_000_000, bootId: 'the boot before', trust: 'ntp' };
    for (const file of ['hub/clock', 'bridge/clock.json'])
      writeFileSync(path.join(stateDir, file), JSON.stringify(mark));
    appliance = await Appliance.create({
      stateDir,
      bridgeConfig,
      env: { MAKRCAVE_CLOCK_TRUST_SYSTEM: 'false', MAKRCAVE_BRIDGE_CLOCK_TRUST_SYSTEM: 'false' },
    });
    for (const part of parts) await appliance.start(part);
    await appliance.untilApplied();
  }, 60_000);
  afterAll(() => appliance.close());

  async function tap(card: string, reader: { d0: number; d1: number }): Promise<AccessEvent> {
    const known = new Set((await hubEvents(appliance)).map(({ id }) => id));
    await appliance.panel({ tap: { bits: cardBits(card), ...reader } });
    return until(`the decision about ${card}`, async () =>
      (await hubEvents(appliance)).find(
        ({ id, kind }) => !known.has(id) && (kind === 'granted' || kind === 'denied'),
      ),
    );
  }

  it('does not believe it: each door follows its rule, what has expired stays so, and events keep their order', {
    timeout: 60_000,
  }, async () => {
    const before = (await hubEvents(appliance)).length;
    const trust = await until('the state of the bridge', async () => {
      const [bridge] = (await appliance.ask('GET', '/api/access-control/bridges')).items as Bridge[];
      return bridge?.clockTrust ?? undefined;
    });
    // Until the hub has confirmed the policy its age is unknown too.
    const timed = await until('a confirmed policy', async () => {
      const decision = await tap('1:1', front);
      return decision.reason !== 'staleSnapshot' && decision;
    });
    // Only a time server may say that the mark was wrong.
    if (createFactsReader()().synchronized) {
      expect(trust).toBe('ntp');
      expect(timed).toMatchObject({ kind: 'granted', clockTrust: 'ntp' });
      expect(Date.parse(timed.at)).toBeLessThan(markMs - dayMs);
      return;
    }
    expect(trust).toBe('restored');
    expect(timed).toMatchObject({ kind: 'denied', reason: 'clockUntrusted', clockTrust: 'restored' });
    expect(await tap('1:1', back)).toMatchObject({ kind: 'granted' });
    // It ended between what the clock shows and the time that has certainly passed.
    expect(await tap('1:7', back)).toMatchObject({ kind: 'denied', reason: 'credentialInactive' });
    expect(await tap('1:20', back)).toMatchObject({ kind: 'granted' });

    const events = await hubEvents(appliance);
    for (const event of events.slice(before)) {
      expect(Date.parse(event.at)).toBeGreaterThanOrEqual(markMs);
      expect(Date.parse(event.receivedAt)).toBeGreaterThanOrEqual(markMs);
    }
    const journal = await readJournalFiles(stateDir);
    expect(events.map(({ kind }) => kind)).toEqual(journal.slice(0, events.length).map(({ kind }) => kind));
  });
});
