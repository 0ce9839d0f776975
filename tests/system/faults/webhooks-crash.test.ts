import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { answering, receive } from '#tests/webhooks/support.ts';

describe('webhooks of the whole product', () => {
  it('deliver what happened at a door although the hub was killed before it could, under the same id', async () => {
    const receiver = await receive(() => undefined);
    const appliance = await Appliance.start({
      env: { MAKRCAVE_WEBHOOKS_ALLOW_PRIVATE_NETWORKS: '127.0.0.0/8' },
    });
    onTestFinished(() => appliance.close());
    await appliance.furnish('123:4567');
    const made = await appliance.ask('POST', '/api/notifications/webhooks', {
      name: 'Door display',
      url: receiver.url,
      topics: ['access.event'],
    });
    await appliance.tap('123:4567');
    const isGrant = ({ body }: { body: string }) => JSON.parse(body).data.kind === 'granted';
    await expect.poll(() => receiver.got.some(isGrant), { timeout: 30_000 }).toBe(true);
    const [interrupted] = receiver.got.filter(isGrant);
    // Nobody has answered: the hub dies with the delivery under way.
    await appliance.stop('hub', 'SIGKILL');
    receiver.answer = answering(200);
    const before = receiver.got.length;
    await appliance.start('hub');
    await expect
      .poll(
        () =>
          receiver.got
            .slice(before)
            .some(({ headers }) => headers['webhook-id'] === interrupted!.headers['webhook-id']),
        { timeout: 30_000 },
      )
      .toBe(true);
    const again = receiver.got.slice(before).find(isGrant);
    const event = new Webhook(String(made.secret)).verify(
      again!.body,
      again!.headers as Record<string, string>,
    ) as { type: string; data: Record<string, unknown> };
    expect(event).toMatchObject({
      type: 'access.event',
      data: { kind: 'granted', member: { name: 'Mia Maker' }, portal: { name: 'Front door' } },
    });
    expect(again!.body).toBe(interrupted!.body);

    // Killed right after the store has the event, with a receiver that is away: it is in the queue all the same.
    const isConnected = async () => {
      const { items } = await appliance.ask('GET', '/api/access-control/bridges');
      return (items as { connected: boolean; clockTrust: string | null }[]).every(
        ({ connected, clockTrust }) => connected && clockTrust !== null,
      );
    };
    await expect.poll(isConnected, { timeout: 60_000 }).toBe(true);
    receiver.answer = (response) => response.destroy();
    await appliance.tap('200:1');
    await appliance.stop('hub', 'SIGKILL');
    receiver.answer = answering(200);
    await appliance.start('hub');
    const isDenial = ({ body }: { body: string }) => JSON.parse(body).data.kind === 'denied';
    await expect.poll(() => receiver.got.some(isDenial), { timeout: 60_000 }).toBe(true);
    const denials = receiver.got.filter(isDenial);
    expect(new Set(denials.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  }, 180_000);
});
