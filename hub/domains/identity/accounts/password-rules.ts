import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

const minPasswordLength = 12;
const maxPasswordLength = 256;

/**
 * Passwords that attackers try first, letters and digits only, in lower case. Also matched when repeated or followed by up to four
 * digits, so that the list needs no `password2026`.
 */
const commonPasswords = [
  '1q2w3e4r5t6y',
  '1qaz2wsx3edc',
  '123qweasdzxc',
  'abc123',
  'admin',
  'administrator',
  'asdfghjkl',
  'baseball',
  'changeme',
  'changethis',
  'correcthorsebatterystaple',
  'default',
  'dragon',
  'fablab',
  'football',
  'geheim',
  'hackerspace',
  'hallo',
  'hello',
  'hunter2',
  'iloveyou',
  'letmein',
  'login',
  'makerspace',
  'makrcave',
  'makrcavehub',
  'master',
  'monkey',
  'mypassword',
  'passw0rd',
  'password',
  'passwordpassword',
  'passwort',
  'princess',
  'pssw0rd',
  'qazwsxedc',
  'qwerty',
  'qwertyuiop',
  'qwertyuiopasdfghjkl',
  'qwertz',
  'qwertzuiop',
  'raspberry',
  'raspberrypi',
  'root',
  'schatz',
  'secret',
  'starwars',
  'sunshine',
  'superadmin',
  'superman',
  'test',
  'thisisapassword',
  'trustno1',
  'welcome',
  'whatever',
  'zaq12wsx',
  'zxcvbnm',
] as const;

export interface PasswordRefused extends Refusal<'passwordRefused'> {
  readonly reason: 'tooShort' | 'tooLong' | 'likeTheName' | 'tooCommon';
  readonly message: string;
}

/**
 * Whether a password may be set. Length is counted in characters, not bytes; no classes of characters are demanded.
 * `names` are what everybody around knows: the username, the display name, the site's name.
 */
export function checkPassword(password: string, names: readonly string[]): Result<null, PasswordRefused> {
  const length = Array.from(password).length;
  if (length < minPasswordLength)
    return no('tooShort', `Use at least ${minPasswordLength} characters; a few words in a row are good.`);
  if (length > maxPasswordLength) return no('tooLong', `Use at most ${maxPasswordLength} characters.`);
  const plain = plainOf(password);
  if (names.some((name) => isRepeated(plain, plainOf(name))))
    return no('likeTheName', 'Do not use a name that others know as the password.');
  if (plain === '' || isRun(plain) || commonPasswords.some((common) => isRepeated(plain, common)))
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

/** Whether `text` is `part` once or several times over, with at most four digits behind. */
function isRepeated(text: string, part: string): boolean {
  if (part === '') return false;
  const candidates = [text, text.replace(/\d{1,4}$/, '')];
  return candidates.some((candidate) => candidate !== '' && candidate.replaceAll(part, '') === '');
}

/** Up to four characters over and over, or one step over and over: `12341234123`, `abcdefghijkl`, `890123456789`. */
function isRun(text: string): boolean {
  const characters = Array.from(text);
  const isCycle = (length: number): boolean =>
    characters.every((character, index) => character === characters[index % length]);
  if ([1, 2, 3, 4].some(isCycle)) return true;
  const steps = Array.from(text.slice(1), (character, index) => {
    const step = character.charCodeAt(0) - text.charCodeAt(index);
    // Runs of digits go round: 9 to 0, or 0 to 9.
    return Math.abs(step) === 9 ? -step / 9 : step;
  });
  return new Set(steps).size <= 1;
}
