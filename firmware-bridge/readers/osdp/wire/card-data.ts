import type { ReaderFault } from '#bridge/ports.ts';
import { decodeCard, formatsOfLength, readOfBits } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { Reply } from './replies.ts';

/** Shorter than any card: readers that forward Wiegand pass torn frames on. */
const minBits = 26;
/** `cardReadSchema` takes no more. */
const maxBits = 512;
const parityChecked = 1;

export type CardOutcome =
  | { readonly kind: 'read'; readonly read: CardRead }
  | { readonly kind: 'fault'; readonly fault: ReaderFault['kind']; readonly bits: number };

/** Card data (OSDP 2.2, 7.10): left-justified, the first bit is the most significant of the first byte. */
export function readCard(card: Reply & { readonly kind: 'card' }): CardOutcome {
  const fault = (kind: ReaderFault['kind']): CardOutcome => ({ kind: 'fault', fault: kind, bits: card.bits });
  if (card.bits < minBits) return fault('truncated');
  if (card.bits > maxBits) return fault('unknownLength');
  const bits = Uint8Array.from(
    { length: card.bits },
    (_, index) => ((card.data[index >> 3] ?? 0) >> (7 - (index & 7))) & 1,
  );
  // No card is all zeros or all ones; a failed read may be.
  if (bits.every((bit) => bit === bits[0])) return fault('noise');
  const mustHold = card.format === parityChecked && formatsOfLength(card.bits).length > 0;
  if (mustHold && decodeCard(bits).length === 0) return fault('parity');
  return { kind: 'read', read: readOfBits(bits) };
}
