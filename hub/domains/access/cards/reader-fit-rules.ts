import { unreachable } from '#hub/kernel/result.ts';
import type { CardRead, ReaderKind } from '../schema.ts';
import { cardText, derivedReadings } from './format-rules.ts';
import { formatWords } from './written-rules.ts';

/** What of a reader says which cards it can deliver. */
export interface ReaderFit {
  readonly key: string;
  readonly kind: ReaderKind;
  /** The only length of its frames; null: any, or it sends none. */
  readonly frameBits: number | null;
}

const isFrame = ({ reading }: CardRead): boolean => reading === 'raw' || reading.startsWith('w');

/** Whether this reader can deliver this reading. What a keyboard reader sends is up to its settings: anything may come. */
export function canDeliver({ kind, frameBits }: ReaderFit, read: CardRead): boolean {
  switch (kind) {
    case 'wiegand':
      return isFrame(read) && (frameBits === null || frameBits === read.bits);
    case 'osdp':
      return isFrame(read);
    case 'rdm6300':
      return read.reading === 'em40';
    case 'pn532':
      return (
        read.reading === 'uid4' || read.reading === 'uid7' || (read.reading === 'raw' && read.bits === 80)
      );
    case 'wedge':
      return true;
    default:
      return unreachable(kind);
  }
}

const sends = ({ kind, frameBits }: ReaderFit): string => {
  if (kind === 'rdm6300') return 'serial numbers of EM4100 cards';
  if (kind === 'pn532') return 'serial numbers of NFC cards';
  return frameBits === null ? 'frames' : `frames of ${String(frameBits)} bits`;
};

/** Why none of a door's readers delivers this reading, and what to write instead; null when one does. */
export function whyUnreadable(readers: readonly ReaderFit[], read: CardRead): string | null {
  if (readers.length === 0 || readers.some((reader) => canDeliver(reader, read))) return null;
  const instead = derivedReadings(read)
    .filter((derived) => readers.some((reader) => canDeliver(reader, derived)))
    .map(cardText);
  const what = [...new Set(readers.map(sends))].join(' or ');
  const why = `is ${formatWords(read)}, and no reader asked about delivers that: they send ${what}.`;
  if (instead.length === 0) return `${why} Take a card of another format, or a reader of another kind.`;
  return `${why} If it is one and the same card, write what such a reader sends of it: ${instead.join(' or ')}.`;
}
