import { describe, expect, test } from 'vitest';
import { cardText, maskedCardText, parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import { formatWords, isUnsure, readWritten } from '#hub/domains/access/cards/written-rules.ts';

const read = (text: string) => {
  const written = readWritten(text);
  if (!written.ok) throw new Error(written.refusal.message);
  return written.value;
};
const problem = (text: string): string => {
  const written = readWritten(text);
  return written.ok ? `taken as ${cardText(written.value)}` : written.refusal.message;
};

describe('a card as it is printed', () => {
  test.each([
    ['080,33602', '80:33602'],
    [' 080, 33602 ', '80:33602'],
    ['080-33602', '80:33602'],
    ['01234,56789', 'w34:1234:56789'],
    ['0005276482', 'w34:80:33602'],
    ['0005276482 080,33602', 'w34:80:33602'],
    ['12345678901', 'w37:12345678901'],
    ['04A1B2C3D4E5F6', 'uid7:04a1b2c3d4e5f6'],
    ['04:A1:B2:C3', 'uid4:04a1b2c3'],
    ['010BC4D5E7', 'em40:010bc4d5e7'],
    ['123:4567', '123:4567'],
    ['w34:1234:56789', 'w34:1234:56789'],
  ])('%s is taken for %s', (text, taken) => {
    expect(cardText(read(text))).toBe(taken);
  });

  test.each([
    ['0004568', ['Write 0:4568 if', 'FACILITY:NUMBER, with 4568 as the number']],
    ['05276482', ['Write 80:33602 if', 'w37:5276482', 'uid4:05276482']],
    ['4294967295', ['Write w34:65535:65535 if', 'w37:4294967295']],
  ])('%s asks which of its readings is meant', (text, choices) => {
    for (const choice of choices) expect(problem(text)).toContain(choice);
  });

  test('two numbers that do not belong together are a slip', () => {
    expect(problem('0005276482 081,33602')).toContain('0005276482 is 80,33602 in two parts');
    expect(problem('300,70000')).toContain('The card number of N10002 is 0 to 65535');
  });

  test.each([
    ['raw:26:2f623af', 'wrong parity'],
    ['raw:1:1', 'No card has 1 bits'],
    ['raw:200:1', 'No card has 200 bits'],
    ['raw:32:ffffffff', 'only zeros or only ones'],
  ])('%s is refused, since no reader delivers it', (text, why) => {
    expect(parseCardText(text).ok).toBe(true);
    expect(problem(text)).toContain(why);
  });
});

test('a short number is never shown whole, and a 37-bit one ends as it is printed', () => {
  const masked = (text: string) => {
    const parsed = parseCardText(text);
    return parsed.ok ? maskedCardText(parsed.value) : '';
  };
  expect(['1:1', '1:12', '123:4567', 'w34:1:7'].map(masked)).toEqual(['…001', '…012', '…567', '…007']);
  expect(masked('w37fc:12345:123456')).toMatch(/…456$/);
  expect(masked('w37:12345678901')).toMatch(/^…901 or …\d{3}$/);
  expect(['raw:27:1', 'uid4:31c0ffee', 'raw:1:1', 'raw:8:12'].map(masked)).toEqual([
    '…001',
    '…fee',
    '…',
    '…2',
  ]);
});

test('a frame that no parity vouches for is unsure, and each says its format and bits', () => {
  expect(
    ['123:4567', 'w34:1:7', 'uid4:31c0ffee', 'raw:33:12345678'].map((text) => isUnsure(read(text))),
  ).toEqual([false, false, false, true]);
  const faulty = parseCardText('raw:26:2f623af');
  expect(faulty.ok && isUnsure(faulty.value)).toBe(true);
  expect(
    ['123:4567', 'w37:1', 'uid4:31c0ffee', 'raw:33:12345678'].map((text) => formatWords(read(text))),
  ).toEqual([
    '26 bit (H10301)',
    '37 bit (H10302 or H10304)',
    '32 bit (NFC serial number)',
    '33 bit (no known format)',
  ]);
});
