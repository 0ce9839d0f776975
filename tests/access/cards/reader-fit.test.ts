import { describe, expect, test } from 'vitest';
import { tapSimulated } from '#hub/domains/access/bridges/workflow.ts';
import { canDeliver, whyUnreadable } from '#hub/domains/access/cards/reader-fit-rules.ts';
import { enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { checkRequestSchema } from '#hub/domains/access/explain/schema.ts';
import { explainAccess } from '#hub/domains/access/explain/workflow.ts';
import { osdpState, wiegandState } from '#tests/_support/doors/reader-states.ts';
import {
  accepted,
  addMember,
  addPaidMember,
  type Bench,
  card,
  openWithBridge,
  refused,
  staff,
} from '../support.ts';

const uid = 'uid4:31c0ffee';

describe('what a reader delivers', () => {
  test.each([
    ['wiegand', null, ['123:4567', 'w34:1:7', 'raw:33:12345678']],
    ['wiegand', 26, ['123:4567']],
    ['osdp', null, ['123:4567', 'w34:1:7', 'raw:33:12345678']],
    ['rdm6300', null, ['em40:010bc4d5e7']],
    ['pn532', null, [uid, 'uid7:04a1b2c3d4e5f6']],
  ] as const)('%s, %s bits', (kind, frameBits, delivered) => {
    const all = ['123:4567', 'w34:1:7', 'raw:33:12345678', 'em40:010bc4d5e7', uid, 'uid7:04a1b2c3d4e5f6'];
    expect(all.filter((text) => canDeliver({ key: 'r', kind, frameBits }, card(text)))).toEqual(delivered);
  });

  test('what none of them reads is said with what to write instead', () => {
    const reader = { key: 'r', kind: 'wiegand', frameBits: 26 } as const;
    expect(whyUnreadable([reader], card(uid))).toContain('they send frames of 26 bits');
    expect(whyUnreadable([reader], card(uid))).toContain('write what such a reader sends of it: 192:65518.');
    expect(whyUnreadable([reader, { key: 's', kind: 'pn532', frameBits: null }], card(uid))).toBeNull();
    expect(whyUnreadable([], card(uid))).toBeNull();
  });
});

const check = (bench: Bench, request: object) =>
  explainAccess(bench.access.deps, checkRequestSchema.parse({ portalKey: 'front', ...request }));

describe('explain, what-if and tap', () => {
  test('say at once and alike what the reader cannot read', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const wanted = { memberId: member.id, label: 'Fob' };
    const seven = accepted(await enrolCard(bench.access.deps, staff, card('uid7:04a1b2c3d4e5f6'), wanted));
    await bridge.state({ readers: [wiegandState('front-in', { frameBits: 26 })] });
    const text = { card: 'uid7:04a1b2c3d4e5f6' };
    const tapped = await tapSimulated(bench.access.deps, { portalKey: 'front', ...text });
    const said = {
      code: 'readerCannotRead',
      errors: [{ pointer: '/body/card', message: expect.stringContaining('frames of 26 bits') }],
    };
    expect(refused(tapped)).toMatchObject(said);
    expect(refused(await check(bench, text))).toMatchObject(said);
    expect(bench.link.take('command')).toEqual([]);
    for (const request of [{ memberId: member.id }, { credentialId: seven.id }])
      expect(refused(await check(bench, request)).code).toBe('readerCannotRead');
    expect(refused(await check(bench, { ...text, readerKey: 'none' })).code).toBe('noReader');
    await bridge.state({ readers: [osdpState('front-in', { kind: 'pn532' })] });
    expect(accepted(await check(bench, text)).granted).toBe(true);
  });

  test('of a member, a card and a number go by the reading that the reader delivers', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const fob = accepted(
      await enrolCard(bench.access.deps, staff, card(uid), { memberId: member.id, label: 'Fob' }),
    );
    const other = { memberId: (await addMember(bench, 'Bob')).id, label: 'Fob' };
    accepted(await enrolCard(bench.access.deps, staff, card('uid4:32c0ffee'), other));
    const asked = [{ memberId: member.id }, { credentialId: fob.id }, { card: '192:65518' }];
    await bridge.state({ readers: [wiegandState('front-in', { frameBits: 26 })] });
    for (const request of asked)
      expect(accepted(await check(bench, request))).toMatchObject({ reason: 'ambiguousCard' });
    await bridge.state({ readers: [wiegandState('front-in', { frameBits: 34 })] });
    for (const request of asked.slice(0, 2))
      expect(accepted(await check(bench, request))).toMatchObject({ granted: true });
  });

  test('a tap goes to the reader of the door that can read the card', async () => {
    const { bench, bridge } = await openWithBridge();
    bridge.portals = [{ key: 'front', name: 'Front door', readers: ['front-in', 'front-nfc'] }];
    await bridge.connect();
    await bridge.state({
      readers: [wiegandState('front-in', { frameBits: 26 }), wiegandState('front-nfc', { kind: 'pn532' })],
    });
    bridge.answer((command) => {
      expect(command['readerKey']).toBe('front-nfc');
      return { kind: 'done' };
    });
    accepted(await tapSimulated(bench.access.deps, { portalKey: 'front', card: uid }));
  });
});
