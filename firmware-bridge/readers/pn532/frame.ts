import { unreachable } from '#hub/kernel/result.ts';

/**
 * Frames of the PN532 on its high-speed UART (NXP UM0701-02, 6.2.1): `00 00 FF LEN LCS TFI data DCS 00`. The chip speaks
 * only when it was asked, so the parser may be emptied before every command.
 */

const toChip = 0xd4;
const fromChip = 0xd5;
const errorCode = 0x7f;

/** Wakes the chip from power-down and gives its oscillator time, as 16 bytes of 87 us (UM0701-02, 7.2.11). */
export const wakeUp = Uint8Array.from([0x55, 0x55, ...Array.from({ length: 14 }, () => 0)]);
/** Sent by the host, it aborts the command under way. */
export const ackFrame = Uint8Array.of(0x00, 0x00, 0xff, 0x00, 0xff, 0x00);

const negated = (bytes: ArrayLike<number>): number => {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 1) sum += bytes[index] ?? 0;
  return -sum & 0xff;
};

/** An information frame around `payload`, which begins with the direction (TFI). At most 255 bytes. */
const informationFrame = (payload: readonly number[]): Uint8Array =>
  Uint8Array.from([
    0x00,
    0x00,
    0xff,
    payload.length,
    -payload.length & 0xff,
    ...payload,
    negated(payload),
    0x00,
  ]);

export const commandFrame = (code: number, parameters: readonly number[]): Uint8Array =>
  informationFrame([toChip, code, ...parameters]);

export type Pn532Frame =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nack' }
  /** The chip did not understand a command. */
  | { readonly kind: 'error' }
  /** `code` is that of the command it answers. */
  | { readonly kind: 'response'; readonly code: number; readonly data: Uint8Array }
  /** Bytes that are no frame of the chip; anything may follow them. */
  | { readonly kind: 'damaged'; readonly why: 'noise' | 'length' | 'checksum'; readonly bytes: number };

export interface Pn532FrameParser {
  push(bytes: Uint8Array): readonly Pn532Frame[];
  /** Forgets the frame under way. */
  reset(): void;
}

/** Interprets a payload with a valid check sum. */
function frameOfPayload(payload: Uint8Array): Pn532Frame {
  if (payload.length === 1 && payload[0] === errorCode) return { kind: 'error' };
  const [direction, code] = payload;
  // Our own commands come back if the two data wires touch.
  if (direction !== fromChip || code === undefined || code === 0)
    return { kind: 'damaged', why: 'noise', bytes: payload.length };
  return { kind: 'response', code: code - 1, data: payload.slice(2) };
}

type Step = 'seek' | 'length' | 'lengthCheck' | 'payload' | 'postamble';

/** Bytes in chunks of any size -> frames. Holds one frame of at most 255 bytes; extended frames are refused at their header. */
export function pn532FrameParser(): Pn532FrameParser {
  // The payload and its check sum.
  const body = new Uint8Array(256);
  let step: Step = 'seek';
  let zeroBefore = false;
  let noisy = false;
  let length = 0;
  let count = 0;
  let whole: Pn532Frame | null = null;

  const seekAgain = (): void => {
    step = 'seek';
    zeroBefore = false;
    noisy = false;
    count = 0;
    whole = null;
  };

  const damaged = (why: 'length' | 'checksum', bytes: number): Pn532Frame => {
    seekAgain();
    return { kind: 'damaged', why, bytes };
  };

  const seek = (byte: number): Pn532Frame | null => {
    if (byte === 0xff && zeroBefore) {
      step = 'length';
      return null;
    }
    zeroBefore = byte === 0x00;
    if (zeroBefore || noisy) return null;
    noisy = true;
    return { kind: 'damaged', why: 'noise', bytes: 1 };
  };

  const checkLength = (byte: number): Pn532Frame | null => {
    if ((length === 0x00 && byte === 0xff) || (length === 0xff && byte === 0x00)) {
      whole = length === 0x00 ? { kind: 'ack' } : { kind: 'nack' };
      step = 'postamble';
      return null;
    }
    // FF FF begins an extended frame, which no command used here has.
    if (length === 0 || ((length + byte) & 0xff) !== 0) return damaged('length', 5);
    step = 'payload';
    return null;
  };

  const collect = (byte: number): Pn532Frame | null => {
    body[count] = byte;
    count += 1;
    if (count <= length) return null;
    if (negated(body.subarray(0, count)) !== 0) return damaged('checksum', count + 5);
    whole = frameOfPayload(body.subarray(0, length));
    step = 'postamble';
    return null;
  };

  /**
   * A frame counts only with its postamble: if a 00 got lost within the data, the sum still matches with the check
   * sum taken for data and the postamble for the check sum, and the number would be another card's.
   */
  const finish = (byte: number): Pn532Frame | null => {
    if (byte !== 0x00) return damaged('length', count + 6);
    const frame = whole;
    seekAgain();
    return frame;
  };

  const pushByte = (byte: number): Pn532Frame | null => {
    switch (step) {
      case 'seek':
        return seek(byte);
      case 'length':
        length = byte;
        step = 'lengthCheck';
        return null;
      case 'lengthCheck':
        return checkLength(byte);
      case 'payload':
        return collect(byte);
      case 'postamble':
        return finish(byte);
      default:
        return unreachable(step);
    }
  };

  return {
    push(bytes) {
      const frames: Pn532Frame[] = [];
      for (const byte of bytes) {
        const frame = pushByte(byte);
        if (frame !== null) frames.push(frame);
      }
      return frames;
    },
    reset: seekAgain,
  };
}
