import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  foldText,
  memberWords,
  type SearchableMember,
  searchTerms,
} from '#hub/domains/members/search/rules.ts';

const member = (changes: Partial<SearchableMember> = {}): SearchableMember => ({
  number: 1042,
  name: 'Ada Lovelace',
  email: null,
  phone: null,
  status: 'active',
  planIds: [],
  groupIds: [],
  ...changes,
});

/** Whether a member would be found: a word in the range of every term. */
function isFound(searched: SearchableMember, q: string): boolean {
  const words = [...memberWords(searched)];
  const terms = searchTerms({ q });
  const below = (left: string, right: string): boolean =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;
  return (
    terms !== null &&
    terms.every(({ from, to }) => words.some((word) => !below(word, from) && below(word, to)))
  );
}

describe('a phone number', () => {
  const mia = member({ name: 'Mia Maker', phone: '+49 30 123 4567', email: 'mia.123456@example.org' });
  it.each([
    '+49 30 123',
    '004930123',
    '030 1234',
    '030/123-45 67',
    '1234567',
    '(+49) 30',
    'mia 030 123',
    '030',
  ])('is found by %s', (q) => expect(isFound(mia, q)).toBe(true));
  it.each(['+49 31', '030 9', '4567', '49', 'max 030 123'])('is not found by %s', (q) =>
    expect(isFound(mia, q)).toBe(false),
  );
  it('leaves long numbers of members and of addresses findable', () => {
    expect(isFound(mia, '123456')).toBe(true);
    expect(isFound(member({ number: 1234567 }), '123456')).toBe(true);
    expect(isFound(member({ name: 'Werk 007' }), '007')).toBe(true);
  });
});

describe('the words of a search', () => {
  it.each([
    ['Ada Lovelace', 'ada'],
    ['Ada Lovelace', 'LOVE'],
    ['Ada Lovelace', 'love ad'],
    ['Ada Lovelace', '  ada   lovelace '],
    ['Łukasz Żółty', 'lukasz zolty'],
    ['Zoë Müller', 'zoe muller'],
    ['Zoë Müller', 'mueller'],
    ['Zoë Müller', 'Mü'],
    ['Sören Ångström', 'soren angstrom'],
    ['Sören Ångström', 'soeren'],
    ['Bjørn Æsir', 'bjorn aesir'],
    ['Jürgen Groß', 'gross'],
    ['Jürgen Groß', 'groß'],
    ['İpek Işık', 'ipek isik'],
    ['Conan O’Brien', 'obrien'],
    ["Conan O'Brien", "o'brien"],
    ['Anna-Maria Weiß', 'annamaria'],
    ['Anna-Maria Weiß', 'maria'],
    ['山田太郎', '山田'],
    ['Владимир Ёлкин', 'елкин'],
    ['ＡＤＡ', 'ada'],
    ['Cafe\u0301', 'café'],
  ])('find %s by %s', (name, q) => {
    expect(isFound(member({ name }), q)).toBe(true);
  });

  it.each([
    ['Ada Lovelace', 'lace'],
    ['Ada Lovelace', 'ada x'],
    ['Ada Lovelace', 'adal'],
    ['Ada Lovelace', '%'],
    ['Ada Lovelace', '---'],
  ])('do not find %s by %s', (name, q) => {
    expect(isFound(member({ name }), q)).toBe(false);
  });

  it('find by the beginning of the number, the address and its parts', () => {
    const searched = member({ email: 'Ada.Byron@Example.org' });
    for (const q of ['1042', '104', 'ada.byron@exa', 'ADA.BYRON@example.ORG', 'byron', 'ada.byron'])
      expect(isFound(searched, q), q).toBe(true);
    for (const q of ['042', 'example', 'ada@']) expect(isFound(searched, q), q).toBe(false);
  });

  it('keep filters apart from what people type', () => {
    expect(isFound(member({ name: 'Someone' }), 's:active')).toBe(false);
    expect(searchTerms({ status: 'active', q: 'ada' })).toHaveLength(2);
    expect(searchTerms({})).toEqual([{ from: 'a:', to: 'a:\u{10ffff}', isList: true }]);
    expect(searchTerms({ q: '   ' })).toEqual(searchTerms({}));
  });

  it('put the longest in front and take no more than six', () => {
    const terms = searchTerms({ q: 'a bb ccc dddd eeeee ffffff ggggggg' });
    expect(terms).toHaveLength(6);
    expect(terms?.[0]?.from).toBe('n:ggggggg');
  });

  it('fold to the same whatever the spelling of an accent, and folding twice changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const folded = foldText(text);
        expect(foldText(text.normalize('NFD'))).toBe(folded);
        expect(foldText(folded)).toBe(folded);
      }),
    );
  });

  it('find every member by every piece of the own name', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...Array.from('abcdefgäöüéßłøÅÑİ日本ж')),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.array(letters, { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        fc.nat(11),
        (parts, which, cut) => {
          const part = parts[which % parts.length]!;
          const characters = Array.from(part);
          const typed = characters.slice(0, 1 + (cut % characters.length)).join('');
          expect(isFound(member({ name: parts.join(' ') }), typed)).toBe(true);
        },
      ),
    );
  });

  it('are bounded and well formed for any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), (name) => {
        for (const word of memberWords(member({ name }))) {
          expect(word.isWellFormed()).toBe(true);
          expect(word.length).toBeLessThanOrEqual(60);
        }
      }),
    );
  });
});
