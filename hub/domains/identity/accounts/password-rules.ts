import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

const minPasswordLength = 12;
const maxPasswordLength = 256;

/** Words that are common on this box, in its makerspaces and their languages, beside the world's most common passwords. */
const localPasswords = [
  'administrateur',
  'arduino',
  'azerty',
  'azertyuiop',
  'bienvenue',
  'bonjour',
  'changethis',
  'correcthorsebatterystaple',
  'fablab',
  'februar',
  'frühling',
  'fruehling',
  'geheim',
  'geheimnis',
  'hackerspace',
  'hallo',
  'herbst',
  'januar',
  'kennwort',
  'makerspace',
  'makrcave',
  'makrcavehub',
  'motdepasse',
  'octoprint',
  'ordinateur',
  'passwort',
  'printemps',
  'qwertz',
  'qwertzuiop',
  'raspberrypi',
  'schatz',
  'sommer',
  'superadmin',
  'thisisapassword',
  'vacances',
  'werkstatt',
  'willkommen',
  'winter',
] as const;

/** Tells whether a text (lower case, letters and digits) is a common password by itself. */
export type IsCommon = (text: string) => boolean;

/** Shorter ones are found in every text. */
const minCommonLength = 3;

/** `listed`: the most common passwords, in lower case. */
export function commonPasswordsOf(listed: Iterable<string>): IsCommon {
  const common = new Set<string>(localPasswords);
  for (const password of listed) if (password.length >= minCommonLength) common.add(password);
  return (text) => common.has(text);
}

export interface PasswordRefused extends Refusal<'passwordRefused'> {
  readonly reason: 'tooShort' | 'tooLong' | 'likeTheName' | 'tooCommon';
  readonly message: string;
}

/**
 * Whether a password may be set. Length is counted in characters, not bytes; no classes of characters are demanded.
 * `names` are what everybody around knows: the username, the display name, the site's name.
 */
export function checkPassword(
  password: string,
  names: readonly string[],
  isCommon: IsCommon,
): Result<null, PasswordRefused> {
  const length = Array.from(password).length;
  if (length < minPasswordLength)
    return no('tooShort', `Use at least ${minPasswordLength} characters; a few words in a row are good.`);
  if (length > maxPasswordLength) return no('tooLong', `Use at most ${maxPasswordLength} characters.`);
  const plain = plainOf(password);
  const read = plainOf(readSubstitutes(password));
  if (names.some((name) => isRepeated(plain, plainOf(name)) || isRepeated(read, plainOf(name))))
    return no('likeTheName', 'Do not use a name that others know as the password.');
  if (plain === '' || isRun(plain) || isMadeOfCommon(plain, isCommon) || isMadeOfCommon(read, isCommon))
    return no('tooCommon', 'This is among the first passwords that an attacker tries; choose another.');
  return ok(null);
}

const no = (reason: PasswordRefused['reason'], message: string): Result<null, PasswordRefused> =>
  refuse({ code: 'passwordRefused', reason, message });

/** Letters and digits only, in lower case: `Make-Space 2026` and `makespace2026` are the same to an attacker. */
function plainOf(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}

const substitutes: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** Reads figures and signs between letters as the letters that they are put for: `P@ssw0rd`. Figures at the end stay. */
function readSubstitutes(password: string): string {
  const end = /[\d\W_]*$/.exec(password)?.[0] ?? '';
  const body = password.slice(0, password.length - end.length);
  return body.replaceAll(/[013457@$!]/g, (sign) => substitutes[sign] ?? sign) + end;
}

/** Longer texts are made of more than a few common passwords; they are only looked at for repetition. */
const maxLookedAt = 48;
/** What may stand beside them: figures such as a year, and a character or two. */
const maxFigures = 6;
const maxOther = 2;

/** Whether `text` is one common password over and over, or at most two of them with hardly anything beside. */
function isMadeOfCommon(text: string, isCommon: IsCommon): boolean {
  if (isCommon(text)) return true;
  const repeated = /^(.{3,}?)\1+\d{0,4}$/u.exec(text)?.[1];
  if (repeated !== undefined && (isCommon(repeated) || isRun(repeated))) return true;
  if (text.length > maxLookedAt) return false;
  const fits = (start: number, left: { common: number; figures: number; other: number }): boolean => {
    if (start === text.length) return left.common < 2;
    if (left.figures > 0 && /\d/.test(text.charAt(start)))
      if (fits(start + 1, { ...left, figures: left.figures - 1 })) return true;
    if (left.other > 0 && fits(start + 1, { ...left, other: left.other - 1 })) return true;
    if (left.common === 0) return false;
    for (let end = text.length; end >= start + minCommonLength; end -= 1)
      if (isCommon(text.slice(start, end)) && fits(end, { ...left, common: left.common - 1 })) return true;
    return false;
  };
  return fits(0, { common: 2, figures: maxFigures, other: maxOther });
}

/** Whether `text` is `part` once or several times over, with at most four digits behind. */
function isRepeated(text: string, part: string): boolean {
  if (part === '') return false;
  const candidates = [text, text.replace(/\d{1,4}$/, '')];
  return candidates.some((candidate) => candidate !== '' && candidate.replaceAll(part, '') === '');
}

/** Up to four characters over and over (the last may be another), or one step over and over: `12341234123`, `abcdefghijkl`, `890123456789`. */
function isRun(text: string): boolean {
  const characters = Array.from(text);
  const isCycle = (length: number): boolean =>
    characters.slice(0, -1).every((character, index) => character === characters[index % length]);
  if ([1, 2, 3, 4].some(isCycle)) return true;
  const steps = Array.from(text.slice(1), (character, index) => {
    const step = character.charCodeAt(0) - text.charCodeAt(index);
    // Runs of digits go round: 9 to 0, or 0 to 9.
    return Math.abs(step) === 9 ? -step / 9 : step;
  });
  return new Set(steps).size <= 1;
}
