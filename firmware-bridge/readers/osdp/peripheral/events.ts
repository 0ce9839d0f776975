import type { ReaderFault } from '#bridge/ports.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { readCard } from '../wire/card-data.ts';
import type { Reply } from '../wire/replies.ts';

export type PeripheralEvent =
  | { readonly kind: 'read'; readonly read: CardRead }
  | { readonly kind: 'keys'; readonly keys: string }
  | { readonly kind: 'fault'; readonly fault: ReaderFault['kind']; readonly bits: number }
  | { readonly kind: 'keyPending'; readonly key: Uint8Array }
  | { readonly kind: 'keyRefused' }
  | { readonly kind: 'keySet'; readonly key: Uint8Array }
  | { readonly kind: 'communication'; readonly address: number; readonly baudRate: number };

/** Extracts what happened at the door from the reply of an online reader; null: nothing. */
export function eventOf(reply: Reply): PeripheralEvent | null {
  if (reply.kind === 'card') return readCard(reply);
  if (reply.kind === 'keys') return reply.keys === '' ? null : { kind: 'keys', keys: reply.keys };
  return reply.kind === 'malformed' || reply.kind === 'refusedCard'
    ? { kind: 'fault', fault: 'truncated', bits: 0 }
    : null;
}
