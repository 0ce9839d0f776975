import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bytesToRecoveryCode,
  parseRecoveryCode,
  recoveryCodeBytes,
} from '#hub/domains/access/vault/recovery-rules.ts';
import { accepted, refused } from '../support.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const secret = fc.uint8Array({ minLength: recoveryCodeBytes, maxLength: recoveryCodeBytes });
const position = fc.integer({ min: 0, max: 31 });
const code = bytesToRecoveryCode(Uint8Array.from({ length: 16 }, (_, index) => index * 16 + 3));
const squeezed = (text: string): string => text.replaceAll('-', '');
const inGroups = (text: string): string => (text.match(/.{1,4}/g) ?? []).join('-');

/** With the characters at these places replaced by others. */
function garbled(text: string, changes: readonly { readonly at: number; readonly by: number }[]): string {
  const characters = squeezed(text).split('');
  for (const { at, by } of changes)
    characters[at] = alphabet.charAt((alphabet.indexOf(characters[at] ?? '') + by) % 32);
  return inGroups(characters.join(''));
}

describe('a recovery code', () => {
  test('is eight groups of four without the letters that are taken for others', () => {
    fc.assert(
      fc.property(secret, (bytes) => {
        expect(bytesToRecoveryCode(bytes)).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}$/);
      }),
    );
  });

  test('is read back in any case, with any dashes and blanks, with O for 0 and I or L for 1', () => {
    const spellings = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => text.toLowerCase(),
      (text) => ` ${text.replaceAll('-', '  ')} `,
      squeezed,
      (text) => text.replaceAll('-', ' – ').replaceAll('0', 'o'),
      (text) => text.replaceAll('0', 'O').replaceAll('1', 'I'),
      (text) => text.toLowerCase().replaceAll('1', 'l'),
    );
    fc.assert(
      fc.property(secret, spellings, (bytes, spell) => {
        expect([...accepted(parseRecoveryCode(spell(bytesToRecoveryCode(bytes))))]).toEqual([...bytes]);
      }),
    );
  });

  test('with one wrong character is refused, and its group is named', () => {
    fc.assert(
      fc.property(secret, position, fc.integer({ min: 1, max: 31 }), (bytes, at, by) => {
        const group = Math.floor(at / 4) + 1;
        expect(refused(parseRecoveryCode(garbled(bytesToRecoveryCode(bytes), [{ at, by }])))).toEqual({
          code: 'recoveryCodeMistyped',
          groups: [group],
          title: `Group ${group} of the recovery code is mistyped`,
        });
      }),
    );
  });

  test('with two neighbours the other way round is refused, and their group is named', () => {
    fc.assert(
      fc.property(secret, fc.integer({ min: 0, max: 30 }), (bytes, at) => {
        const characters = squeezed(bytesToRecoveryCode(bytes)).split('');
        const [left = '', right = ''] = characters.slice(at, at + 2);
        fc.pre(left !== right);
        const typed = inGroups(characters.toSpliced(at, 2, right, left).join(''));
        expect(refused(parseRecoveryCode(typed)).groups).toContain(Math.floor(at / 4) + 1);
      }),
    );
  });

  test('with up to four wrong characters is never taken for another code', () => {
    const changes = fc.uniqueArray(fc.record({ at: position, by: fc.integer({ min: 1, max: 31 }) }), {
      minLength: 1,
      maxLength: 4,
      selector: ({ at }) => at,
    });
    fc.assert(
      fc.property(secret, changes, (bytes, wrong) => {
        expect(parseRecoveryCode(garbled(bytesToRecoveryCode(bytes), wrong)).ok).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    [
      'a character too few',
      code.slice(0, -1),
      'Group 8 of the recovery code is mistyped: each has 4 characters',
    ],
    [
      'a group of five',
      code.replace(/-/, '7-'),
      'Group 1 of the recovery code is mistyped: each has 4 characters',
    ],
    [
      'a group left out',
      code.slice(5),
      'A group of the recovery code is mistyped: it has 28 characters and must have 32',
    ],
    ['nothing', ' - ', 'A group of the recovery code is mistyped: it has 0 characters and must have 32'],
    ['a letter that there is not', `${code.slice(0, -1)}U`, 'Group 8 of the recovery code is mistyped'],
    [
      'letters that there are not',
      `€${code.slice(1, 10)}é${code.slice(11)}`,
      'Groups 1, 3 of the recovery code are mistyped',
    ],
  ])('%s is refused in words', (_, typed, title) => {
    expect(refused(parseRecoveryCode(typed)).title).toBe(title);
  });
});
