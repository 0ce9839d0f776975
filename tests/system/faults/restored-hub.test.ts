import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bridge } from '#hub/domains/access/bridges/schema.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

describe('a hub restored from an older copy', () => {
  let appliance: Appliance;
  let credentialId: string;
  beforeAll(async () => {
    appliance = await Appliance.start();
    ({ credentialId } = await appliance.furnish('123:4567'));
  }, 60_000);
  afterAll(() => appliance.close());

  const bridge = async (): Promise<Bridge> => {
    const [found] = (await appliance.ask('GET', '/api/access-control/bridges')).items as Bridge[];
    if (found === undefined) throw new Error('there is no bridge');
    return found;
  };

  it('begins a new epoch, gets every event again once, and opens to no card that was lost since', {
    timeout: 60_000,
  }, async () => {
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'granted' });
    const copy = path.join(appliance.stateDir, 'hub-copy');
    const hubDir = path.join(appliance.stateDir, 'hub');
    await appliance.stop('hub');
    await cp(hubDir, copy, { recursive: true, filter: (source) => !source.endsWith('.sock') });
    await appliance.start('hub');
    await appliance.untilApplied();

    // What the older copy will know nothing of.
    const member = await appliance.ask('POST', '/api/members', { name: 'Nia Newcomer' });
    const plans = (await appliance.ask('GET', '/api/members/plans')).items as { id: string }[];
    await appliance.ask('POST', `/api/members/${member.id as string}/memberships`, { planId: plans[0]?.id });
    await appliance.ask('POST', '/api/access-control/credentials', { memberId: member.id, card: '1:2' });
    await appliance.ask('POST', `/api/access-control/credentials/${credentialId}/lost`, {});
    await appliance.untilApplied();
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'denied', reason: 'credentialInactive' });
    expect(await appliance.tap('1:2')).toMatchObject({ kind: 'granted', member: { name: 'Nia Newcomer' } });
    const { epoch } = (await bridge()).policy.desired;

    await appliance.stop('hub');
    await rm(hubDir, { recursive: true });
    await cp(copy, hubDir, { recursive: true });
    await appliance.start('hub');
    const withheld = await until('the card to be withheld', async () => {
      const now = await bridge();
      return now.connected && now.policy.state === 'applied' && now.withheld.length > 0 && now;
    });
    expect(withheld.policy.desired.epoch).toBeGreaterThan(epoch);
    expect(withheld.withheld).toMatchObject([{ credentialId, memberName: 'Mia Maker' }]);
    expect(withheld.findings).toContainEqual(expect.objectContaining({ id: 'withheldCredentials' }));

    const journal = await readJournalFiles(appliance.stateDir);
    const stored = await until('every event at the hub', async () => {
      const events = await hubEvents(appliance);
      return events.length >= journal.length && events;
    });
    expect(stored.map(({ kind }) => kind)).toEqual(journal.map(({ kind }) => kind));

    // It is valid in the older copy, and unknown people stay outside.
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'denied', reason: 'credentialInactive' });
    expect(await appliance.tap('1:2')).toMatchObject({ kind: 'denied', reason: 'unknownCredential' });

    await appliance.ask('POST', `/api/access-control/bridges/${withheld.id}/approve`, {
      credentialIds: [credentialId],
    });
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'granted', member: { name: 'Mia Maker' } });
    await until('nothing to be withheld', async () => (await bridge()).withheld.length === 0);

    // What a person approved stays approved over a restart of the bridge.
    await appliance.stop('bridge', 'SIGKILL');
    await appliance.start('bridge');
    expect((await readJournalFiles(appliance.stateDir)).at(-1)).toMatchObject({ kind: 'boot' });
    await until('the bridge to connect', async () => {
      const now = await bridge();
      return now.connected && now.clockTrust !== null;
    });
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'granted' });
  });
});
