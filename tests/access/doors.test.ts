import { describe, expect, test } from 'vitest';
import { tapSimulated } from '#hub/domains/access/bridges/workflow.ts';
import {
  endHoldOpen,
  endLockdown,
  holdOpen,
  lockDown,
  unlockPortal,
} from '#hub/domains/access/doors/command-workflow.ts';
import { loadPortal } from '#hub/domains/access/doors/view.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, firstPortal, openWithBridge, refused, staff } from './support.ts';

const audit = async (bench: Awaited<ReturnType<typeof openWithBridge>>['bench'], action: string) =>
  await bench.store.read
    .selectFrom('audit_entry')
    .innerJoin('audit_payload', 'audit_payload.id', 'audit_entry.id')
    .select(['audit_entry.target_id', 'audit_payload.body'])
    .where('action', '=', action)
    .execute();

describe('unlocking from here', () => {
  const body = { seconds: 5, reason: 'delivery' };

  test('is in the audit log before it is sent, and is verified when the bridge saw the lock move', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    let loggedBefore = 0;
    bridge.answer((command) => {
      expect(command).toMatchObject({ kind: 'unlock', portalKey: 'front', seconds: 5 });
      expect(command['expiresAtMs']).toBe(bench.time.ms + 2_000);
      return { kind: 'done' };
    });
    const { onSend } = bench.link;
    bench.link.onSend = (sent) => {
      void audit(bench, 'door.unlock').then((rows) => {
        loggedBefore = rows.length;
        onSend(sent);
      });
    };
    const answer = accepted(await unlockPortal(bench.access.parts, staff, id, body));
    expect(answer).toMatchObject({ stage: 'verified', sentence: 'Front door is unlocked for 5 s.' });
    expect(loggedBefore).toBe(1);
    const [entry] = await audit(bench, 'door.unlock');
    expect(entry?.target_id).toBe(id);
    expect(JSON.parse(entry?.body ?? '{}')).toMatchObject({
      reason: 'delivery',
      commandId: answer.commandId,
    });
  });

  test('without an answer it is only sent; a late answer changes nothing', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const unlocking = unlockPortal(bench.access.parts, staff, id, body);
    await expect.poll(() => bench.link.sent.some((sent) => sent.name === 'command')).toBe(true);
    const [command] = bench.link.take('command');
    bench.time.advance(2_000);
    expect(accepted(await unlocking).stage).toBe('sent');
    await bridge.say('reply', { commandId: command!.payload.commandId, outcome: { kind: 'done' } });
  });

  test.each([
    ['lockedDown', 'lockedDown'],
    ['expired', 'bridgeRefused'],
    ['observing', 'bridgeRefused'],
    ['journalFault', 'bridgeRefused'],
  ])('a bridge that says %s', async (code, refusal) => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    bridge.answer(() => ({ kind: 'refused', code }));
    expect(refused(await unlockPortal(bench.access.parts, staff, id, body)).code).toBe(refusal);
  });

  test('not connected, unknown, locked down: refused before anything is sent', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const { parts } = bench.access;
    expect(refused(await unlockPortal(parts, staff, newId(), body)).code).toBe('portalNotFound');
    accepted(await lockDown(parts, staff, id, 'drill'));
    expect(refused(await unlockPortal(parts, staff, id, body)).code).toBe('lockedDown');
    accepted(await endLockdown(parts, staff, id));
    bridge.disconnect();
    expect(refused(await unlockPortal(parts, staff, id, body)).code).toBe('notConnected');
    expect(bench.link.take('command')).toEqual([]);
    expect(await audit(bench, 'door.unlock')).toEqual([]);
  });

  test('another bridge cannot answer for this one', async () => {
    const { bench } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const unlocking = unlockPortal(bench.access.parts, staff, id, body);
    await expect.poll(() => bench.link.sent.some((sent) => sent.name === 'command')).toBe(true);
    const [command] = bench.link.take('command');
    await bench.access.handler.onMessage.reply(newId(), {
      commandId: command!.payload.commandId,
      outcome: { kind: 'done' },
    });
    bench.time.advance(2_000);
    expect(accepted(await unlocking).stage).toBe('sent');
  });

  test('a connection that ends while the answer is awaited says so at once', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const unlocking = unlockPortal(bench.access.parts, staff, id, body);
    await expect.poll(() => bench.link.sent.some((sent) => sent.name === 'command')).toBe(true);
    bridge.disconnect();
    expect(refused(await unlocking).code).toBe('notConnected');
  });
});

describe('overrides', () => {
  test('a lockdown is in the policy, is applied when the bridge says so, and ends', async () => {
    const { bench, bridge } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const { parts } = bench.access;
    const locked = accepted(await lockDown(parts, staff, null, 'alarm'));
    expect(locked.portals).toMatchObject([
      { id, override: { kind: 'lockdown', reason: 'alarm' }, applied: false },
    ]);
    await bridge.pull();
    expect(await loadPortal(parts, bench.store.read, id)).toMatchObject({ applied: true });
    expect(bridge.document?.portals[0]?.override?.kind).toBe('lockdown');
    accepted(await endLockdown(parts, staff, null));
    await bridge.pull();
    expect(bridge.document?.portals[0]?.override).toBe(null);
    expect(refused(await endLockdown(parts, staff, id)).code).toBe('notLockedDown');
  });

  test('holding open ends by itself, and gives way to a lockdown but does not end one', async () => {
    const { bench } = await openWithBridge();
    const { id } = await firstPortal(bench);
    const { parts } = bench.access;
    const until = new Date(bench.time.ms + 3_600_000).toISOString();
    const held = accepted(await holdOpen(parts, staff, id, { until, reason: 'open day' }));
    expect(held.portals[0]?.override).toMatchObject({ kind: 'holdOpen', reason: 'open day' });
    bench.time.advance(3_600_000);
    expect((await loadPortal(parts, bench.store.read, id))?.override).toBe(null);
    expect(refused(await endHoldOpen(parts, staff, id)).code).toBe('notHeldOpen');
    const later = new Date(bench.time.ms + 3_600_000).toISOString();
    accepted(await holdOpen(parts, staff, id, { until: later, reason: 'open day' }));
    accepted(await lockDown(parts, staff, id, 'alarm'));
    expect((await loadPortal(parts, bench.store.read, id))?.override?.kind).toBe('lockdown');
    expect(refused(await holdOpen(parts, staff, id, { until: later, reason: 'open day' })).code).toBe(
      'lockedDown',
    );
    expect(refused(await endHoldOpen(parts, staff, id)).code).toBe('notHeldOpen');
  });

  test('an end in the past or far ahead is refused by its field', async () => {
    const { bench } = await openWithBridge();
    const { id } = await firstPortal(bench);
    for (const until of ['2026-11-22T11:59:59Z', '2026-12-22T12:00:00Z'])
      expect(
        refused(await holdOpen(bench.access.parts, staff, id, { until, reason: 'open day' })),
      ).toMatchObject({ code: 'untilInvalid', errors: [{ pointer: '/body/until' }] });
  });
});

describe('simulated taps', () => {
  const tap = { portalKey: 'front', card: '123:4567' };
  test('go to the reader of the door, as the bits of the card', async () => {
    const { bench, bridge } = await openWithBridge();
    bridge.answer((command) => {
      expect(command).toMatchObject({
        kind: 'tap',
        readerKey: 'front-in',
        read: { reading: 'w26', bits: 26, hex: '2f623ae' },
      });
      return { kind: 'done' };
    });
    expect(accepted(await tapSimulated(bench.access.parts, tap))).toBe(null);
  });
  test('are impossible on real lines, whatever is asked', async () => {
    const { bench, bridge } = await openWithBridge();
    bridge.simulated = false;
    await bridge.connect();
    bench.link.take('command');
    expect(refused(await tapSimulated(bench.access.parts, tap)).code).toBe('notSimulated');
    expect(bench.link.take('command')).toEqual([]);
  });
  test('an unknown door names those that are there, a wrong card what is wrong', async () => {
    const { bench } = await openWithBridge();
    const { parts } = bench.access;
    expect(refused(await tapSimulated(parts, { ...tap, portalKey: 'cellar' }))).toMatchObject({
      code: 'portalUnknown',
      errors: [{ pointer: '/body/portalKey', message: 'is no door; there are: front' }],
    });
    expect(refused(await tapSimulated(parts, { ...tap, card: 'x' })).code).toBe('cardText');
    expect(refused(await tapSimulated(parts, { ...tap, readerKey: 'none' })).code).toBe('noReader');
  });
});
