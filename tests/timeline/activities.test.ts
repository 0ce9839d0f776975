import { expect, test } from 'vitest';
import { changeCredentialStatus, enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { emptyAuditPayload } from '#hub/domains/identity/audit/workflow.ts';
import { placeHold, releaseHold } from '#hub/domains/members/member/workflow.ts';
import { describeAction, describeActor } from '#hub/domains/timeline/rules.ts';
import { listActivities } from '#hub/domains/timeline/workflow.ts';
import { consolePrincipalOf } from '#hub/http/endpoint/auth.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { newId } from '#hub/platform/new-id.ts';
import { catalog, permissions } from '#tests/_support/open-domains.ts';
import {
  accepted,
  addMember,
  addPaidMember,
  type Bench,
  card,
  openWithBridge,
  staff,
} from '#tests/access/support.ts';

const list = (
  bench: Bench,
  memberId: string,
  query: { limit?: number; cursor?: string } = {},
  held: readonly PermissionName[] = permissions,
) =>
  listActivities(
    { store: bench.store, auditWords: catalog.auditWords },
    { permissions: new Set(held) },
    memberId,
    { limit: 50, ...query },
  );

async function livedMember() {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const other = await addMember(bench, 'Grace Hopper');
  const wanted = { memberId: member.id, label: 'Blue fob' };
  const enrolled = accepted(await enrolCard(bench.access.deps, staff, card('123:4567'), wanted));
  const hold = accepted(await placeHold(bench.members, staff, member.id, 'unpaid'));
  accepted(await placeHold(bench.members, staff, other.id, 'somebody else'));
  await bridge.pull();
  const at = { portalKey: 'front', readerKey: 'front-in', credentialId: enrolled.id, memberId: member.id };
  await bridge.offer([bridge.event({ kind: 'denied', reason: 'hold', ...at })]);
  const released = { memberId: member.id, holdId: hold.id };
  accepted(await releaseHold(bench.members, staff, released, 'paid in cash'));
  accepted(await changeCredentialStatus(bench.access.deps, staff, enrolled.id, 'lose', null));
  return { bench, member, hold, enrolled };
}

test('it tells what was done and what happened at doors, the newest first', async () => {
  const { bench, member, hold, enrolled } = await livedMember();
  const { items, nextCursor } = accepted(await list(bench, member.id));
  expect(items.map(({ kind, summary, by }) => [kind, summary, by])).toEqual([
    ['card', 'Card reported lost: Blue fob', 'Grace'],
    ['hold', 'Hold released: paid in cash', 'Grace'],
    ['access', 'Front door: There is a hold on this member.', null],
    ['hold', 'Hold placed: unpaid', 'Grace'],
    ['card', 'Card enrolled: Blue fob', 'Grace'],
    ['membership', 'Membership added', 'Grace'],
    ['member', 'Added', 'Grace'],
  ]);
  expect(items.map(({ subjectId }) => subjectId).slice(0, 2)).toEqual([enrolled.id, hold.id]);
  expect(nextCursor).toBeNull();
});

test.each([
  [
    'member.change',
    { email: { before: null, after: 'a@b.org' }, waiverDate: {} },
    'Details changed: e-mail, date of the waiver',
  ],
  ['membership.advance', { event: 'periodEnded' }, 'Paid period over'],
  ['membership.advance', null, 'Membership changed by its dates'],
  ['membership.end', { reason: 'left' }, 'Membership ended: left'],
  ['credential.suspend', { reason: 'asked for by phone' }, 'Card suspended: Blue fob; asked for by phone'],
  ['credential.enrol', { label: 'Red fob' }, 'Card enrolled: Red fob'],
  ['credential.setPin', { replaces: null }, 'PIN set'],
  ['member.invented', {}, 'member.invented'],
])('%s with %j reads as %s', (action, facts, sentence) => {
  const cardName = action.startsWith('credential') ? 'Blue fob' : null;
  expect(describeAction(catalog.auditWords, { action, facts, cardName })).toBe(sentence);
});

test('who did it is a name, or a word for what has none', () => {
  expect(describeActor({ kind: 'account', name: 'Grace' })).toBe('Grace');
  expect(describeActor({ kind: 'account', name: null })).toBeNull();
  expect(describeActor({ kind: 'system', name: null })).toBe('the hub itself');
  expect(describeActor({ kind: 'console', name: null })).toBe('the command line of the hub');
});

test('a tap that a bridge reports days later stands where it happened; without a clock, where it came in', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const at = { kind: 'granted' as const, portalKey: 'front', readerKey: 'front-in', memberId: member.id };
  const tappedMs = bench.time.ms + 3_600_000;
  bench.time.ms += 2 * 86_400_000;
  accepted(await placeHold(bench.members, staff, member.id, 'unpaid'));
  const receivedMs = bench.time.ms;
  await bridge.offer([
    bridge.event({ ...at, wallMs: tappedMs }),
    bridge.event({ ...at, kind: 'entered', wallMs: 5000, clockTrust: 'none' }),
  ]);
  const { items } = accepted(await list(bench, member.id));
  expect(items.map(({ kind, action, at: time }) => [kind, action, Date.parse(time)]).slice(0, 3)).toEqual([
    ['access', 'entered', receivedMs],
    ['hold', 'hold.place', receivedMs],
    ['access', 'granted', tappedMs],
  ]);
  const first = accepted(await list(bench, member.id, { limit: 2 }));
  const cursor = first.nextCursor ?? '';
  expect(accepted(await list(bench, member.id, { cursor })).items).toEqual(items.slice(2));
});

test('its pages leave nothing out and repeat nothing', async () => {
  const { bench, member } = await livedMember();
  const whole = accepted(await list(bench, member.id)).items;
  for (const limit of [1, 2, 3]) {
    const pieces = [];
    let cursor: string | undefined;
    do {
      const page = accepted(
        await list(bench, member.id, cursor === undefined ? { limit } : { limit, cursor }),
      );
      pieces.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(pieces).toEqual(whole);
  }
});

test('cards and doors are for who may see them', async () => {
  const { bench, member } = await livedMember();
  const kinds = async (held: readonly PermissionName[]) =>
    new Set(accepted(await list(bench, member.id, {}, held)).items.map(({ kind }) => kind));
  expect(await kinds(['member.read'])).toEqual(new Set(['hold', 'membership', 'member']));
  expect(await kinds(['member.read', 'credential.read'])).toContain('card');
  expect(await kinds(['member.read', 'accessEvent.read'])).toContain('access');
});

test('a reason that was emptied in the audit log is gone here', async () => {
  const { bench, member } = await livedMember();
  const find = async () =>
    accepted(await list(bench, member.id)).items.find(({ action }) => action === 'hold.place')!;
  const { id } = await find();
  accepted(
    await emptyAuditPayload(
      { store: bench.store },
      consolePrincipalOf(catalog.permissions),
      id,
      'asked for it',
    ),
  );
  expect(await find()).toMatchObject({ summary: 'Hold placed', by: null });
});

test('of nobody it is not there', async () => {
  const { bench } = await openWithBridge();
  expect(await list(bench, newId())).toEqual({ ok: false, refusal: { code: 'memberNotFound' } });
});
