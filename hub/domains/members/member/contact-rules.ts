import { domainToASCII, domainToUnicode } from 'node:url';

const maxDigits = 15;
/** Emergency numbers are that short. */
const minDigits = 3;
const extension = /[\s,;]*(?:\b(?:extension|ext|durchwahl|poste)\b\.?|;ext=|[x#])\s*(\d{1,7})$/iu;

/**
 * A phone number as people write it -> its one form: groups of digits with blanks between, a country code behind `+`, an
 * extension at the end. `(+49) 30/123-45` -> `+49 30 123 45`; `0049 (0)30 12345` -> `+49 30 12345`; `+1 555 0100 x5` ->
 * `+1 555 0100 ext. 5`. Null for what is none.
 */
export function normalisePhone(text: string): string | null {
  const plain = text
    .normalize('NFKC')
    .trim()
    // The apostrophe by which a CSV file keeps a spreadsheet from calculating.
    .replace(/^(?:tel:|')\s*/i, '');
  const own = extension.exec(plain);
  const main = own === null ? plain : plain.slice(0, own.index);
  if (!/^[\s(]*\+?[\d\s()./\p{Pd}\u2212]+$/u.test(main)) return null;
  const international = /^[\s(]*(?:\+|00(?=[\s)]*[1-9]))/u.exec(main);
  const rest = international === null ? main : main.slice(international[0].length);
  // The zero in brackets is for those who call from within the country.
  const groups = (international === null ? rest : rest.replace(/\(\s*0\s*\)/, ' ')).match(/\d+/g) ?? [];
  const digits = groups.join('').length;
  if (digits < minDigits || digits > maxDigits) return null;
  const number = `${international === null ? '' : '+'}${groups.join(' ')}`;
  return own === null ? number : `${number} ext. ${own[1] ?? ''}`;
}

/** The form of `z.email()` for what is in front of the `@`. */
const localPart = /^(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]$/;
const asciiDomain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/;

/**
 * An e-mail address as it was typed -> its one form: no blanks around it, the domain in small letters and readable.
 * `info@MÜLLER.de` and `info@xn--mller-kva.de` -> `info@müller.de`. Null for what is none.
 */
export function normaliseEmail(text: string): string | null {
  const trimmed = text.trim();
  const at = trimmed.lastIndexOf('@');
  const local = trimmed.slice(0, Math.max(0, at));
  const domain = trimmed.slice(at + 1);
  // What the URL standard would quietly take out or decode has no place in a domain.
  if (!localPart.test(local) || !/^[\p{L}\p{M}\p{N}.\u3002-]+$/u.test(domain)) return null;
  const ascii = domainToASCII(domain);
  if (ascii.length > 253 || !asciiDomain.test(ascii)) return null;
  const readable = domainToUnicode(ascii);
  return domainToASCII(readable) === ascii ? `${local}@${readable}` : `${local}@${ascii}`;
}

/** Country codes of one and of two digits (ITU-T E.164); all others have three. */
const shortCountryCode = /^(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/**
 * The digits under which a phone number is looked for, in its one form or not: with the country code, as within the country,
 * and from each of its later groups on.
 */
export function phoneKeys(phone: string): readonly string[] {
  const number = normalisePhone(phone)?.replace(/ ext\. \d+$/, '');
  if (number === undefined) return [];
  const isInternational = number.startsWith('+');
  const groups = number.match(/\d+/g) ?? [];
  const whole = groups.join('');
  const code = isInternational ? (shortCountryCode.exec(whole)?.[0] ?? whole.slice(0, 3)) : '';
  const national = isInternational ? whole.slice(code.length) : whole.replace(/^0/, '');
  const tails = groups.map((_, index) => groups.slice(index).join(''));
  const keys = [whole, ...(national === '' ? [] : [national, `0${national}`]), ...tails.slice(1)];
  return [...new Set(keys.filter((key, index) => index === 0 || key.length >= minPhoneSearch))];
}

/** From so many digits on, a search is for a phone number too. */
export const minPhoneSearch = 6;

/**
 * Takes the phone number out of a search, if there is one: what starts like one, or has so many digits.
 * `Mia 030 12345` -> `['03012345', 'Mia']`.
 */
export function splitPhoneSearch(query: string): readonly [phone: string | null, rest: string] {
  const found = /(?<=^|\s)[(]?\+?\d[\d\s()./\p{Pd}+]*(?=\s|$)/u.exec(query.normalize('NFKC'));
  if (found === null) return [null, query];
  const [text] = found;
  const isInternational = /^[(]?\+/.test(text) || /^00[1-9]/.test(text);
  const digits = (isInternational ? text.replace(/\(\s*0\s*\)/, '').replace(/^00/, '') : text).replaceAll(
    /\D/gu,
    '',
  );
  const startsLikeOne = (isInternational || digits.startsWith('0')) && digits.length >= minDigits;
  if (!startsLikeOne && digits.length < minPhoneSearch) return [null, query];
  const normal = query.normalize('NFKC');
  return [digits, `${normal.slice(0, found.index)} ${normal.slice(found.index + text.length)}`];
}
