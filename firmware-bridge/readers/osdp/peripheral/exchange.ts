import { type Command, encodeCommand } from '../wire/commands.ts';
import { encodeFrame, type Frame, type FrameParts, type SecurityBlock } from '../wire/frame.ts';
import { nakCodes, parseReply, type Reply, replyIds } from '../wire/replies.ts';
import { type SecureSession, securityTypes } from '../wire/secure-channel.ts';

/** Why a frame cannot come from a peripheral that still shares our session. */
export type BrokenBy = 'wrongMac' | 'plainReply' | 'malformedReply';

export type Opened =
  | {
      readonly kind: 'reply';
      readonly command: Command;
      readonly reply: Reply;
      /** Received through the secure channel. */
      readonly isSecured: boolean;
    }
  /** Resend the same bytes later. */
  | { readonly kind: 'busy' }
  /** The peripheral did not understand: resend the same bytes. */
  | { readonly kind: 'again' }
  /** From another device, or our own echo. */
  | { readonly kind: 'other' }
  /** An answer to an earlier command. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'broken'; readonly by: BrokenBy };

const empty = new Uint8Array();

function commandSecurity(command: Command): SecurityBlock | null {
  if (command.kind !== 'challenge' && command.kind !== 'crypt') return null;
  const type = command.kind === 'challenge' ? securityTypes.challenge : securityTypes.crypt;
  return { type, data: Uint8Array.of(command.ownKey ? 1 : 0) };
}

/** The expected security block of the answer while there is no session. */
function replySecurity(command: Command): number | null {
  if (command.kind === 'challenge') return securityTypes.challengeReply;
  return command.kind === 'crypt' ? securityTypes.cryptReply : null;
}

/**
 * Runs one command at a time with a peripheral: sequence numbers, secure channel, and the same bytes until they are
 * answered (OSDP 2.2, 5.7). Only an answer to the command in flight opens.
 */
export class Exchange {
  readonly #crc: boolean;
  #address: number;
  #sequence = 0;
  #session: SecureSession | null = null;
  #inFlight: { readonly command: Command; readonly sequence: number; readonly bytes: Uint8Array } | null =
    null;

  constructor(address: number, crc: boolean) {
    this.#address = address;
    this.#crc = crc;
  }

  /** Starts over with sequence number 0, which ends the peripheral's session too. */
  restart(address: number): void {
    this.#address = address;
    this.#sequence = 0;
    this.#session = null;
    this.#inFlight = null;
  }

  secure(session: SecureSession): void {
    this.#session = session;
  }

  inFlight(): Uint8Array | null {
    return this.#inFlight?.bytes ?? null;
  }

  begin(command: Command): Uint8Array {
    const parts: FrameParts = {
      address: this.#address,
      isReply: false,
      sequence: this.#sequence,
      crc: this.#crc,
      security: commandSecurity(command),
      ...encodeCommand(command),
    };
    const bytes = this.#session === null ? encodeFrame(parts) : this.#session.wrap(parts);
    this.#inFlight = { command, sequence: this.#sequence, bytes };
    return bytes;
  }

  open(frame: Frame): Opened {
    if (!frame.isReply || frame.address !== this.#address) return { kind: 'other' };
    const sent = this.#inFlight;
    const isPlain = frame.security === null;
    if (sent === null) return { kind: 'other' };
    // BUSY comes with sequence 0, whatever was asked (OSDP 2.2, 7.19).
    const isAnswer = frame.sequence === sent.sequence;
    if (isPlain && frame.id === replyIds.busy && (isAnswer || frame.sequence === 0)) return { kind: 'busy' };
    if (!isAnswer) return { kind: 'stale' };
    const data =
      this.#session === null ? this.#openPlain(frame, sent.command) : this.#openSecured(frame, sent.command);
    if (typeof data === 'string') return { kind: 'broken', by: data };
    const reply = parseReply(frame.id, data);
    const isMisheard =
      reply.kind === 'nak' && (reply.code === nakCodes.check || reply.code === nakCodes.length);
    if (isPlain && isMisheard) return { kind: 'again' };
    this.#inFlight = null;
    this.#sequence = sent.sequence === 3 ? 1 : sent.sequence + 1;
    return { kind: 'reply', command: sent.command, reply, isSecured: this.#session !== null && !isPlain };
  }

  #openPlain(frame: Frame, command: Command): Uint8Array | BrokenBy {
    if (frame.security === null && frame.id === replyIds.nak) return frame.data;
    const type = frame.security?.type ?? null;
    return type === replySecurity(command) ? frame.data : 'malformedReply';
  }

  /** Only a NAK and the answer to KEYSET may come in plain during a session; neither carries card data. */
  #openSecured(frame: Frame, command: Command): Uint8Array | BrokenBy {
    if (frame.security !== null) return this.#session?.unwrap(frame) ?? 'wrongMac';
    if (frame.id === replyIds.nak) return frame.data;
    return frame.id === replyIds.ack && command.kind === 'keySet' ? empty : 'plainReply';
  }
}
