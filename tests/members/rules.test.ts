import { describe, expect, it } from 'vitest';
import { admitsNow, decideMemberStatus, memberStatusEvents } from '#hub/domains/members/member/rules.ts';
import { type AdmissionFacts, memberStatuses } from '#hub/domains/members/schema.ts';

describe('a member’s status', () => {
  it.each([
    ['active', 'suspend', 'suspended'],
    ['active', 'leave', 'left'],
    ['suspended', 'reactivate', 'active'],
    ['suspended', 'leave', 'left'],
    ['left', 'reactivate', 'active'],
  ] as const)('%s -%s-> %s', (status, event, expected) => {
    expect(decideMemberStatus(status, event)).toEqual({ ok: true, value: expected });
  });

  it('is not changed by anything else, and the refusal names what is allowed', () => {
    const refused = memberStatuses.flatMap((status) =>
      memberStatusEvents
        .filter((event) => !decideMemberStatus(status, event).ok)
        .map((event) => [status, event]),
    );
    expect(refused).toEqual([
      ['active', 'reactivate'],
      ['suspended', 'suspend'],
      ['left', 'suspend'],
      ['left', 'leave'],
    ]);
    expect(decideMemberStatus('left', 'suspend')).toEqual({
      ok: false,
      refusal: { code: 'memberStatusNotAllowed', status: 'left', event: 'suspend', allowed: ['reactivate'] },
    });
  });
});

describe('whether a member is admitted', () => {
  const nowMs = 1_000_000;
  const inOrder: AdmissionFacts = {
    memberNumber: 17,
    memberId: 'm',
    memberStatus: 'active',
    onHold: false,
    waiverMissing: false,
    extendedAccess: false,
    membershipState: 'active',
    membershipFromMs: nowMs,
    membershipUntilMs: nowMs + 1,
    planId: 'p',
    groupIds: [],
  };

  it('is yes when everything is in order, from the first moment to the last', () => {
    expect(admitsNow(inOrder, nowMs)).toBe(true);
    expect(admitsNow(inOrder, nowMs - 1)).toBe(false);
    expect(admitsNow(inOrder, nowMs + 1)).toBe(false);
    expect(admitsNow({ ...inOrder, membershipFromMs: null, membershipUntilMs: null }, nowMs)).toBe(true);
  });

  it.each([
    { memberStatus: 'suspended' },
    { memberStatus: 'left' },
    { onHold: true },
    { membershipState: 'none' },
    { membershipState: 'overdue' },
    { membershipState: 'pending' },
  ] as const)('is no with %o', (changes) => {
    expect(admitsNow({ ...inOrder, ...changes }, nowMs)).toBe(false);
  });
});
