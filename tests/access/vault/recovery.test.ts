import { expect, test } from 'vitest';
import { enrolCard } from '#hub/domains/access/cards/workflow.ts';
import {
  checkRecoveryCode,
  loadRecoveryState,
  makeRecoverySheet,
  recoveryHealth,
} from '#hub/domains/access/vault/recovery-workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { builtInRoles, permissions } from '#tests/_support/open-domains.ts';
import { accepted, addPaidMember, type Bench, card, openBench, refused, staff } from '../support.ts';

const asker = (kind: Principal['kind'], accountId: string): Principal => ({
  kind,
  accountId,
  displayName: 'Grace',
  permissions: new Set(permissions),
  sessionId: 'session',
});
const owner = asker('account', '01890000-0000-7000-8000-000000000001');
const other = asker('account', '01890000-0000-7000-8000-000000000002');
const console = asker('console', 'console');

const check = ({ access }: Bench, code: string, who = owner) => checkRecoveryCode(access.deps, who, code);
const findingsOf = async ({ store }: Bench, isLinked: boolean): Promise<readonly string[]> => {
  const found = await recoveryHealth({ store, isLinked: async () => isLinked }).findings?.();
  return (found ?? []).map(({ id, severity }) => `${severity} ${id}`);
};

test('the state says whether there is a sheet, whether it counts, and how much it brings back', async () => {
  const bench = await openBench();
  const { deps } = bench.access;
  expect(await loadRecoveryState(deps)).toEqual({
    madeAt: null,
    fits: null,
    sealedCards: 0,
    complete: false,
  });
  await bench.access.sealCards();
  const member = await addPaidMember(bench);
  accepted(await enrolCard(deps, staff, card('1:1'), { memberId: member.id, label: 'Fob' }));
  const sheet = await makeRecoverySheet(deps, owner);
  expect(sheet).toMatchObject({ siteName: 'Werkraum', madeAt: '2026-11-22T12:00:00.000Z' });
  const { madeAt } = sheet;
  expect(await loadRecoveryState(deps)).toEqual({ madeAt, fits: true, sealedCards: 1, complete: true });
  const again = await bench.openAgain(Buffer.alloc(32, 5));
  expect(await loadRecoveryState(again.access.deps)).toMatchObject({ fits: false, complete: false });
  await again.access.sealCards();
  expect(await loadRecoveryState(again.access.deps)).toMatchObject({ fits: false, complete: true });
  expect(accepted(await check(again, sheet.recoveryCode))).toEqual({ madeAt, fits: false });
});

test('a sheet is checked, is void once another is made, and its code stands nowhere', async () => {
  const bench = await openBench();
  expect(refused(await check(bench, '0000-0000')).code).toBe('recoveryCodeMistyped');
  const first = await makeRecoverySheet(bench.access.deps, owner);
  expect(accepted(await check(bench, first.recoveryCode))).toEqual({ madeAt: first.madeAt, fits: true });
  const second = await makeRecoverySheet(bench.access.deps, owner);
  expect(refused(await check(bench, first.recoveryCode)).code).toBe('recoveryCodeWrong');
  accepted(await check(bench, second.recoveryCode));
  const { read } = bench.store;
  const live = await read
    .selectFrom('card_key_wrap')
    .select('id')
    .where('deleted_at_ms', 'is', null)
    .execute();
  expect(live).toHaveLength(1);
  const told = JSON.stringify([
    await read.selectFrom('change').selectAll().execute(),
    await read.selectFrom('card_key_wrap').selectAll().execute(),
    await read.selectFrom('audit_entry').selectAll().execute(),
    await read.selectFrom('audit_payload').selectAll().execute(),
    bench.announced,
  ]);
  expect(told).toContain('recoverySheet.make');
  expect(told).toContain('voidsSheetOf');
  for (const { recoveryCode } of [first, second])
    for (const piece of [recoveryCode, recoveryCode.replaceAll('-', ''), recoveryCode.slice(0, 9)])
      expect(told).not.toContain(piece);
  for (const form of ['base64url', 'hex'] as const)
    expect(told).not.toContain(Buffer.from(bench.cardKey).toString(form));
});

test('wrong codes lock whoever tries them, mistyped ones are no tries, and the command line is never locked', async () => {
  const bench = await openBench();
  const older = (await makeRecoverySheet(bench.access.deps, owner)).recoveryCode;
  const { recoveryCode } = await makeRecoverySheet(bench.access.deps, owner);
  for (let count = 0; count < 10; count += 1)
    expect(refused(await check(bench, recoveryCode.slice(1))).code).toBe('recoveryCodeMistyped');
  const codes = [];
  for (let count = 0; count < 6; count += 1) codes.push(refused(await check(bench, older)).code);
  expect(codes).toEqual([...Array.from({ length: 5 }, () => 'recoveryCodeWrong'), 'tooManyAttempts']);
  expect(refused(await check(bench, recoveryCode)).code).toBe('tooManyAttempts');
  accepted(await check(bench, recoveryCode, other));
  for (let count = 0; count < 8; count += 1)
    expect(refused(await check(bench, older, console)).code).toBe('recoveryCodeWrong');
  bench.time.advance(30_000);
  accepted(await check(bench, recoveryCode));
  expect(refused(await check(bench, older)).code).toBe('recoveryCodeWrong');
});

test('without a sheet a code that is well written is no wrong try', async () => {
  const bench = await openBench();
  const { recoveryCode } = await makeRecoverySheet((await openBench()).access.deps, owner);
  for (let count = 0; count < 8; count += 1)
    expect(refused(await check(bench, recoveryCode)).code).toBe('noCardKey');
});

test('a missing or void sheet is found only where a centre takes what the sheet unlocks', async () => {
  const bench = await openBench();
  expect(await findingsOf(bench, false)).toEqual([]);
  expect(await findingsOf(bench, true)).toEqual(['info recovery.noSheet']);
  await makeRecoverySheet(bench.access.deps, owner);
  expect(await findingsOf(bench, true)).toEqual([]);
  await bench.access.sealCards();
  expect(await findingsOf(bench, true)).toEqual([]);
  const again = await bench.openAgain(Buffer.alloc(32, 5));
  await again.access.sealCards();
  expect([await findingsOf(again, false), await findingsOf(again, true)]).toEqual([
    [],
    ['info recovery.sheetVoid'],
  ]);
});

test('of the built-in roles only the owner’s makes the sheet', () => {
  const roles = Object.entries(builtInRoles).filter(([, granted]) => granted.includes('recovery.manage'));
  expect(roles.map(([name]) => name)).toEqual(['super_admin']);
});
