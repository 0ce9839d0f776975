import { describe, expect, it } from 'vitest';
import {
  normaliseEmail,
  normalisePhone,
  phoneKeys,
  splitPhoneSearch,
} from '#hub/domains/members/member/contact-rules.ts';
import { memberCreateSchema } from '#hub/domains/members/member/schema.ts';

describe('a phone number', () => {
  it.each([
    ['(+49) 30 12345', '+49 30 12345'],
    ['+1 555 0100 ext. 5', '+1 555 0100 ext. 5'],
    ['+1 (555) 010-0123 x5', '+1 555 010 0123 ext. 5'],
    ['+49 (0)30 / 123-45', '+49 30 123 45'],
    ['+49(0)3012345', '+49 3012345'],
    ['0049 30 12345', '+49 30 12345'],
    ['  030/123 45 Durchwahl 12 ', '030 123 45 ext. 12'],
    ['tel:+41-79-555-01-23', '+41 79 555 01 23'],
    ['+41\u00A079\u2011555 01 23', '+41 79 555 01 23'],
    ['＋４９ ３０ １２３４５', '+49 30 12345'],
    ["'+49 30 12345", '+49 30 12345'],
    ['112', '112'],
    ['555.0100', '555 0100'],
  ])('%s is stored as %s', (typed, stored) => {
    expect(normalisePhone(typed)).toBe(stored);
    expect(normalisePhone(stored)).toBe(stored);
    expect(memberCreateSchema.parse({ name: 'Mia', phone: typed }).phone).toBe(stored);
  });

  it.each([
    '',
    '12',
    '+',
    'call me',
    '+49 30 12345 67890 12345 6',
    '030 1234a',
    '++49 30 1',
    '1 + 2345',
    '030\n<b>1',
  ])('%j is none', (typed) => expect(normalisePhone(typed)).toBeNull());

  it('is refused in words that show the form', () => {
    const { error } = memberCreateSchema.safeParse({ name: 'Mia', phone: 'call me' });
    expect(error?.issues).toMatchObject([
      { path: ['phone'], message: 'must be a phone number such as +49 30 1234567 or 030 1234567 ext. 5' },
    ]);
  });
});

describe('an e-mail address', () => {
  it.each([
    [' mia@example.org ', 'mia@example.org'],
    ['info@müller.de', 'info@müller.de'],
    ['info@MÜLLER.DE', 'info@müller.de'],
    ['info@xn--mller-kva.de', 'info@müller.de'],
    ['info@mu\u0308ller.de', 'info@müller.de'],
    ['Mia.Maker+hub@Example.ORG', 'Mia.Maker+hub@example.org'],
    ['kontakt@例え.jp', 'kontakt@例え.jp'],
    ["o'brien@example.co.uk", "o'brien@example.co.uk"],
  ])('%j is stored as %s', (typed, stored) => {
    expect(normaliseEmail(typed)).toBe(stored);
    expect(normaliseEmail(stored)).toBe(stored);
    expect(memberCreateSchema.parse({ name: 'Mia', email: typed }).email).toBe(stored);
  });

  it.each([
    '',
    'mia',
    'mia@',
    '@example.org',
    'mia@localhost',
    'mia@127.0.0.1',
    'mia@-a.de',
    'mia@a..de',
    'a b@c.de',
    'mia@exa mple.org',
    'mia@example.org/x',
    'mia@%6d.de',
    'mia@a\u200Bb.de',
    'mia@a_b.de',
    'mia@[::1]',
  ])('%j is none', (typed) => expect(normaliseEmail(typed)).toBeNull());
});

describe('the search for a phone number', () => {
  it.each([
    ['+49 30 1234567', ['4930123', '030123', '30123456', '1234567']],
    ['+493012345678', ['4930123', '0301234', '3012345']],
    ['030 123 4567', ['030123', '1234567', '301234']],
    ['+1 555 0100 ext. 5', ['15550100', '5550100']],
  ])('%s is found by its beginnings, with or without the country code', (stored, beginnings) => {
    const keys = phoneKeys(stored);
    for (const beginning of beginnings)
      expect(
        keys.some((key) => key.startsWith(beginning)),
        beginning,
      ).toBe(true);
  });

  it.each([
    ['+49 (0)30 12345', '493012345', ''],
    ['0049 30 12345', '493012345', ''],
    ['030/123-45', '03012345', ''],
    ['Mia 030 12345', '03012345', 'Mia'],
    ['123456', '123456', ''],
    ['1042', null, '1042'],
    ['1042 Mia', null, '1042 Mia'],
    ['max-123456@example.org', null, 'max-123456@example.org'],
    ['Mia', null, 'Mia'],
  ])('%s looks for %s', (query, phone, rest) => {
    const [found, others] = splitPhoneSearch(query);
    expect([found, others.trim()]).toEqual([phone, rest]);
  });
});
