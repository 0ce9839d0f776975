import { phoneKeys, splitPhoneSearch } from '../member/contact-rules.ts';
import type { MemberStatus } from '../schema.ts';

/** Letters that Unicode does not decompose, as people without the key for them type them. */
const foldedLetters: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ł: 'l',
  ı: 'i',
  ħ: 'h',
};
const umlauts: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', å: 'aa', ø: 'oe' };

const maxWordLength = 40;
const maxSortKeyLength = 24;
const maxTerms = 6;

const everybodyPrefix = 'a:';
const sortKeyOf = (name: string): string => cut(foldText(name), maxSortKeyLength);

/** Lower case without accents: `Łukasz Müller` -> `lukasz muller`. */
export const foldText = (text: string): string =>
  text
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/gu, '')
    .toLowerCase()
    // İ becomes i and a combining dot only here.
    .replaceAll(/[\u0300-\u036f]/gu, '')
    .replaceAll(/[ßæœøđðþłıħ]/gu, (letter) => foldedLetters[letter] ?? letter)
    .normalize('NFC');

/** The other usual spelling: `Müller` -> `mueller`. */
const spellOutUmlauts = (text: string): string =>
  text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[äöüåø]/gu, (letter) => umlauts[letter] ?? letter);

// A cut may fall into the middle of a character, which SQLite would not give back as it was.
const cut = (text: string, length: number): string => text.slice(0, length).toWellFormed();

const piecesOf = (folded: string): string[] => folded.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

/** The searchable fields of a member, and the lists it belongs to. */
export interface SearchableMember {
  readonly number: number;
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly status: MemberStatus;
  /** Plans of memberships that are not over. */
  readonly planIds: readonly string[];
  readonly groupIds: readonly string[];
}

/** The rows of the word index for a member. Entries of lists carry the name, so that a list reads in its order. */
export function memberWords(member: SearchableMember): ReadonlySet<string> {
  const words = new Set<string>();
  const add = (word: string): void => {
    if (word === '') return;
    words.add(`n:${cut(word, maxWordLength)}`);
    // What a search may take for a phone number: such a search looks here alone.
    if (/^(?:\d{6}|0\d\d)/.test(word)) words.add(`t:${cut(word, maxWordLength)}`);
  };
  for (const spelling of [member.name, spellOutUmlauts(member.name)]) {
    for (const token of foldText(spelling).split(/\s+/u)) {
      const pieces = piecesOf(token);
      for (const piece of pieces) add(piece);
      // O'Brien is also found as obrien, Anna-Maria as annamaria.
      if (pieces.length > 1) add(pieces.join(''));
    }
  }
  add(String(member.number));
  if (member.email !== null) {
    const email = foldText(member.email);
    add(email);
    for (const piece of piecesOf(email.slice(0, Math.max(0, email.indexOf('@'))))) add(piece);
  }
  if (member.phone !== null) for (const key of phoneKeys(member.phone)) words.add(`t:${key}`);
  const sortKey = sortKeyOf(member.name);
  words.add(`${everybodyPrefix}${sortKey}`);
  words.add(`s:${member.status}:${sortKey}`);
  for (const planId of member.planIds) words.add(`p:${planId}:${sortKey}`);
  for (const groupId of member.groupIds) words.add(`g:${groupId}:${sortKey}`);
  return words;
}

export interface MemberFilter {
  readonly q?: string | undefined;
  readonly status?: MemberStatus | undefined;
  readonly planId?: string | undefined;
  readonly groupId?: string | undefined;
}

/** One condition of a search: a range `[from, to)` of the word index. A member must have a word in every one. */
export interface SearchTerm {
  readonly from: string;
  readonly to: string;
  /** A list, in which each member has one word at most. */
  readonly isList: boolean;
}

// The highest code point: no word continues with it.
const prefixTerm = (prefix: string, isList: boolean): SearchTerm => ({
  from: prefix,
  to: `${prefix}\u{10ffff}`,
  isList,
});
const listTerm = (prefix: string): SearchTerm => prefixTerm(prefix, true);

/** The list of everybody, in the order of names. */
export const everybody: SearchTerm = listTerm(everybodyPrefix);

/** Words that a member of this name, or of this address, has; others may have them too where they are long. */
export const namesakeWords = ({
  name,
  email,
}: Pick<SearchableMember, 'name' | 'email'>): readonly string[] => [
  `${everybodyPrefix}${sortKeyOf(name)}`,
  ...(email === null ? [] : [`n:${cut(foldText(email), maxWordLength)}`]),
];

/** Whoever has a phone number that can be searched for. */
export const everyPhone: SearchTerm = prefixTerm('t:', false);

/**
 * The conditions of a search, those of the text first, the longest of them in front. Never empty: without any filter it is
 * the list of everybody. Null when the text holds nothing that could be searched for.
 */
export function searchTerms(filter: MemberFilter): readonly SearchTerm[] | null {
  const [phone, text] = splitPhoneSearch(filter.q ?? '');
  const words = text
    .trim()
    .split(/\s+/u)
    .map(foldText)
    .flatMap((token) => (token.includes('@') ? [token] : piecesOf(token)))
    .map((word) => `n:${cut(word, maxWordLength)}`)
    .concat(phone === null ? [] : [`t:${cut(phone, maxWordLength)}`])
    .sort((left, right) => right.length - left.length)
    .slice(0, maxTerms);
  if (words.length === 0 && (filter.q ?? '').trim() !== '') return null;
  const terms = [...new Set(words)].map((word) => prefixTerm(word, false));
  if (filter.groupId !== undefined) terms.push(listTerm(`g:${filter.groupId}:`));
  if (filter.planId !== undefined) terms.push(listTerm(`p:${filter.planId}:`));
  if (filter.status !== undefined) terms.push(listTerm(`s:${filter.status}:`));
  return terms.length === 0 ? [everybody] : terms;
}
