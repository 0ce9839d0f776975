import type { ReaderFault } from '#bridge/ports.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

/** Commands of the chip and their answers (NXP UM0701-02, 7; ISO/IEC 14443-3, 6.5.4 for numbers). */

export interface Pn532Command {
  readonly code: number;
  readonly parameters: readonly number[];
}

/** No secure element; without it the chip answers nothing after power-up. */
export const samConfiguration: Pn532Command = { code: 0x14, parameters: [0x01, 0x14, 0x01] };
export const getFirmwareVersion: Pn532Command = { code: 0x02, parameters: [] };
/** Look twice for a card, then say that there is none; as delivered it would look for ever. */
export const limitRetries: Pn532Command = { code: 0x32, parameters: [0x05, 0xff, 0x01, 0x01] };
/** One card of ISO/IEC 14443 A at 106 kbit/s. */
export const listPassiveTarget: Pn532Command = { code: 0x4a, parameters: [0x01, 0x00] };

/** Identifies the chip, such as `PN532 firmware 1.6`; null if this is no answer to `getFirmwareVersion`. */
export function identityOf(data: Uint8Array): string | null {
  const [chip, version, revision] = data;
  if (data.length !== 4 || chip === undefined || version === undefined || revision === undefined) return null;
  return `PN5${chip.toString(16).padStart(2, '0')} firmware ${version}.${revision}`;
}

export type TargetOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'read'; readonly read: CardRead }
  | { readonly kind: 'fault'; readonly fault: ReaderFault['kind']; readonly bits: number };

const cascadeTag = 0x88;
const randomPrefix = 0x08;
/** SAK bits: the number continues in another cascade level; the card speaks ISO/IEC 14443-4, so its ATS may follow. */
const sakIncomplete = 0x04;
const sakPart4 = 0x20;

/** Parses the answer to `listPassiveTarget`: number of targets, target, SENS_RES (2), SEL_RES, length, number, ATS. */
export function targetOfResponse(data: Uint8Array): TargetOutcome {
  const broken: TargetOutcome = { kind: 'fault', fault: 'unknownLength', bits: data.length * 8 };
  const [targets, target, , , sak, uidLength] = data;
  if (targets === 0) return data.length === 1 ? { kind: 'none' } : broken;
  if (targets !== 1 || target !== 1 || sak === undefined || uidLength === undefined) return broken;
  if (uidLength !== 4 && uidLength !== 7 && uidLength !== 10) return broken;
  const uid = data.subarray(6, 6 + uidLength);
  const ats = data.subarray(6 + uidLength);
  if (uid.length !== uidLength) return broken;
  // An ATS begins with its own length.
  if (ats.length > 0 && ((sak & sakPart4) === 0 || ats[0] !== ats.length)) return broken;
  return outcomeOfUid(uid, sak);
}

function outcomeOfUid(uid: Uint8Array, sak: number): TargetOutcome {
  const fault = (kind: ReaderFault['kind']): TargetOutcome => ({
    kind: 'fault',
    fault: kind,
    bits: uid.length * 8,
  });
  if ((sak & sakIncomplete) !== 0 || uid.every((byte) => byte === 0)) return fault('notACard');
  if (uid.length === 4) {
    // A cascade tag is the beginning of a longer number, the same for thousands of cards.
    if (uid[0] === cascadeTag) return fault('notACard');
    if (uid[0] === randomPrefix) return fault('randomUid');
  }
  return { kind: 'read', read: readOfUid(uid) };
}

/**
 * A card's number as a reading. Seven and ten bytes as the card sends them and as phones show them. **Four bytes the other
 * way round**: Wiegand readers take the first byte sent as the lowest one of a number, so that a card that a phone shows
 * as `AA 3F 9B 1A` is 1A9B3FAA with 34 bits and 9B3FAA with 26. In this order the readings that `derivedReadings` of
 * card-rules.ts makes of a `uid4` are those that these readers send.
 */
export function readOfUid(uid: Uint8Array): CardRead {
  const hex = (bytes: Uint8Array): string =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (uid.length === 4) return { reading: 'uid4', bits: 32, hex: hex(uid.toReversed()) };
  return { reading: uid.length === 7 ? 'uid7' : 'raw', bits: uid.length * 8, hex: hex(uid) };
}
