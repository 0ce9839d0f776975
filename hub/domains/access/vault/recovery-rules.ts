import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

// The recovery code: 128 random bits and a check, as people copy them from paper.

/** Crockford's base 32: no I, L, O (they are read as 1, 1, 0) and no U. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
export const recoveryCodeBytes = 16;
/** 26 characters carry 130 bits, of which the last two are zero; six more are the check. */
const dataLength = 26;
const checkLength = 6;
const codeLength = dataLength + checkLength;
const groupLength = 4;

/**
 * The checksum of Bech32m (BIP-350) over characters of 5 bits: finds up to four wrong characters, and others but for one
 * in a thousand million. 0 for a code that is right.
 */
function checksumOf(values: readonly number[]): number {
  const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    generators.forEach((generator, bit) => {
      if ((top >>> bit) & 1) sum ^= generator;
    });
  }
  return sum ^ 0x2bc830a3;
}

/** 16 bytes as eight groups of four characters: `7ZQ4-M2KD-...`. */
export function bytesToRecoveryCode(bytes: Uint8Array): string {
  const bits = Array.from(bytes.subarray(0, recoveryCodeBytes), (byte) => byte.toString(2).padStart(8, '0'));
  const data = (
    bits
      .join('')
      .padEnd(dataLength * 5, '0')
      .match(/.{5}/g) ?? []
  ).map((five) => Number.parseInt(five, 2));
  const sum = checksumOf([...data, ...Array.from({ length: checkLength }, () => 0)]);
  const check = Array.from(
    { length: checkLength },
    (_, index) => (sum >>> (5 * (checkLength - 1 - index))) & 31,
  );
  const text = [...data, ...check].map((value) => alphabet.charAt(value)).join('');
  return (text.match(new RegExp(`.{${groupLength}}`, 'g')) ?? []).join('-');
}

export interface RecoveryCodeMistyped extends Refusal<'recoveryCodeMistyped'> {
  /** The groups in which the mistake is, counted from 1, as far as that can be told. */
  readonly groups: readonly number[];
  readonly title: string;
}

function mistyped(groups: readonly number[], why?: string): { ok: false; refusal: RecoveryCodeMistyped } {
  const [first, second] = groups;
  const named =
    first === undefined
      ? 'A group of the recovery code is mistyped'
      : second === undefined
        ? `Group ${first} of the recovery code is mistyped`
        : `Groups ${groups.join(', ')} of the recovery code are mistyped`;
  return refuse({
    code: 'recoveryCodeMistyped',
    groups,
    title: why === undefined ? named : `${named}: ${why}`,
  });
}

const groupOf = (position: number): number => Math.floor(position / groupLength) + 1;

/** The groups in which one other character, or two neighbours the other way round, would make the code right. */
function suspectedGroups(values: readonly number[]): number[] {
  const isRight = (position: number, ...changed: number[]): boolean =>
    checksumOf(values.toSpliced(position, changed.length, ...changed)) === 0;
  const found = new Set<number>();
  values.forEach((value, position) => {
    for (let other = 0; other < 32; other += 1) if (isRight(position, other)) found.add(groupOf(position));
    const next = values[position + 1];
    if (next === undefined || !isRight(position, next, value)) return;
    found.add(groupOf(position));
    found.add(groupOf(position + 1));
  });
  return [...found].sort((left, right) => left - right);
}

/**
 * The 16 bytes of a code as somebody typed it: in any case, with or without dashes and blanks, O for 0, I or L for 1.
 * Refused before anything is tried when a character is wrong, missing or too many.
 */
export function parseRecoveryCode(typed: string): Result<Uint8Array, RecoveryCodeMistyped> {
  const parts = typed
    .toUpperCase()
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
    .split(/[\s\p{Dash_Punctuation}]+/u)
    .filter((part) => part !== '');
  const groupCount = codeLength / groupLength;
  const oddGroups = parts.flatMap((part, index) => (part.length === groupLength ? [] : [index + 1]));
  if (parts.length === groupCount && oddGroups.length > 0)
    return mistyped(oddGroups, `each has ${groupLength} characters`);
  const text = parts.join('');
  if (text.length !== codeLength)
    return mistyped([], `it has ${text.length} characters and must have ${codeLength}`);
  const values = Array.from(text, (character) => alphabet.indexOf(character));
  const foreign = values.flatMap((value, position) => (value < 0 ? [groupOf(position)] : []));
  if (foreign.length > 0) return mistyped([...new Set(foreign)]);
  if (checksumOf(values) !== 0) return mistyped(suspectedGroups(values));
  const bits = values
    .slice(0, dataLength)
    .map((value) => value.toString(2).padStart(5, '0'))
    .join('');
  const spare = recoveryCodeBytes * 8;
  if (bits.slice(spare).includes('1')) return mistyped([]);
  const bytes = bits.slice(0, spare).match(/.{8}/g) ?? [];
  return ok(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 2)));
}

/** A part of the printed sheet. */
export interface SheetPart {
  readonly title: string;
  readonly text: string;
}

/** What stands on the recovery sheet beside the code, for paper and screen alike. */
export const recoverySheetParts: readonly SheetPart[] = [
  {
    title: 'What it is for',
    text: 'When the box is dead or stolen, a new one gets its data back from the centre. The cards and PINs there are locked, and only this code unlocks them: without it every card has to be enrolled anew.',
  },
  {
    title: 'How it is used',
    text: 'Set the new box up, choose to restore this site, and type the code when you are asked for it. Capitals, blanks and dashes do not matter; O counts as 0, and I and L as 1. A mistyped group is named.',
  },
  {
    title: 'Where to keep it',
    text: 'Print it, and keep it where the money is kept, not beside the box. Nobody can show it again. Whoever has it and the data at the centre can read the numbers of all cards.',
  },
  {
    title: 'When it is void',
    text: 'As soon as another sheet is made. Throw the older one away. Settings, Recovery sheet says when the one that counts was made, and checks a code.',
  },
];
