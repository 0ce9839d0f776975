import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';

describe('the main job, with every process', () => {
  let appliance: Appliance;
  let credentialId: string;

  beforeAll(async () => {
    appliance = await Appliance.start();
    ({ credentialId } = await appliance.furnish());
  }, 60_000);
  afterAll(() => appliance.close());

  it('opens to a member whose card, membership and rule are in order, and says why', async () => {
    const event = await appliance.tap('123:4567');
    expect(event).toMatchObject({
      kind: 'granted',
      member: { name: 'Mia Maker' },
      portal: { name: 'Front door' },
    });
    expect((event.checks as { passed: boolean }[]).every(({ passed }) => passed)).toBe(true);
  });

  it('stays shut for an unknown card and says what to do', async () => {
    const event = await appliance.tap('1:1');
    expect(event).toMatchObject({ kind: 'denied', reason: 'unknownCredential' });
    expect((event.why as { nextStep: string }).nextStep).toContain('Enrol');
  });

  it('gives the same answer to "explain" as to the tap', async () => {
    const answer = await appliance.ask('POST', '/api/access-control/check', {
      card: '123:4567',
      portalKey: 'front',
    });
    expect(answer).toMatchObject({ granted: true, appliedAtPortal: true });
  });

  it('denies a lost card as soon as the door knows', async () => {
    await appliance.ask('POST', `/api/access-control/credentials/${credentialId}/lost`, {});
    await appliance.untilApplied();
    expect(await appliance.tap('123:4567')).toMatchObject({ kind: 'denied', reason: 'credentialInactive' });
  });
});
