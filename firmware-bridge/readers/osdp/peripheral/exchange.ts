import type { OsdpQuirk } from '../problems.ts';
import { type Command, encodeCommand } from '../wire/commands.ts';
import { encodeFrame, type Frame, type FrameParts, type SecurityBlock } from '../wire/frame.ts';
import { nakCodes, parseReply, quirkOf, type Reply, replyIds } from '../wire/replies.ts';
import { type SecureSession, securityTypes, type Unwrapped } from '../wire/secure-channel.ts';

/** Why a frame cannot come from a peripheral that still shares our session. */
export type BrokenBy = 'wrongMac' | 'plainReply' | 'malformedReply';

export type Opened =
  | {
      readonly kind: 'reply';
      readonly command: Command;
      readonly reply: Reply;
      /** Received through the secure channel. */
      readonly isSecured: boolean;
      /** What of the reply is otherwise than in the standard. */
      readonly quirks: readonly OsdpQuirk[];
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

const sealed = (data: Uint8Array): Unwrapped => ({ data, form: 'sealed' });
const empty = sealed(new Uint8Array());

const quirkByForm: Readonly<Record<Unwrapped['form'], OsdpQuirk | null>> = {
  sealed: null,
  open: 'openReplies',
  emptyBlock: 'emptyBlocks',
  unreadable: 'unreadableReplies',
};
/** What nobody at the cable should be able to read. */
const isSecret = (id: number): boolean =>
  id === replyIds.card || id === replyIds.keys || id === replyIds.formatted;

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
  /** Card numbers and keys that are sealed but not encrypted are taken. */
  readonly #takesOpenCards: boolean;
  #crc: boolean;
  #address: number;
  /** The check of the answers since the start of this connection; null: none yet. */
  #answersCrc: boolean | null = null;
  #sequence = 0;
  #session: SecureSession | null = null;
  #inFlight: { readonly command: Command; readonly sequence: number; readonly bytes: Uint8Array } | null =
    null;

  constructor(address: number, crc: boolean, takesOpenCards = false) {
    this.#address = address;
    this.#crc = crc;
    this.#takesOpenCards = takesOpenCards;
  }

  /** Starts over with sequence number 0, which ends the peripheral's session too. */
  restart(address: number, crc: boolean = this.#crc): void {
    this.#address = address;
    this.#crc = crc;
    this.#sequence = 0;
    this.#session = null;
    this.#inFlight = null;
    this.#answersCrc = null;
  }

  /**
   * The check to expect in the next answer; null: either. Once the peripheral has answered it is held to its check:
   * random bytes match a one-byte checksum too easily.
   */
  get answersCrc(): boolean | null {
    return this.#answersCrc;
  }

  secure(session: SecureSession): void {
    this.#session = session;
  }

  inFlight(): Uint8Array | null {
    return this.#inFlight?.bytes ?? null;
  }

  isAsking(kind: Command['kind']): boolean {
    return this.#inFlight?.command.kind === kind;
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
    const opened =
      this.#session === null ? this.#openPlain(frame, sent.command) : this.#openSecured(frame, sent.command);
    if (typeof opened === 'string') return { kind: 'broken', by: opened };
    this.#answersCrc = frame.crc;
    const { reply, quirks } = this.#readReply(frame.id, opened);
    const isMisheard =
      reply.kind === 'nak' && (reply.code === nakCodes.check || reply.code === nakCodes.length);
    if (isPlain && isMisheard) return { kind: 'again' };
    this.#inFlight = null;
    this.#sequence = sent.sequence === 3 ? 1 : sent.sequence + 1;
    const isSecured = this.#session !== null && !isPlain;
    return { kind: 'reply', command: sent.command, reply, isSecured, quirks };
  }

  /** Never takes a card that anybody at the cable can read, unless that is allowed. */
  #readReply(
    id: number,
    { data, form }: Unwrapped,
  ): { readonly reply: Reply; readonly quirks: readonly OsdpQuirk[] } {
    if (form === 'open' && isSecret(id) && !this.#takesOpenCards)
      return { reply: { kind: 'refusedCard' }, quirks: ['openCardsRefused'] };
    const quirks = [quirkByForm[form], quirkOf(id, data)].filter((each) => each !== null);
    return { reply: parseReply(id, data), quirks };
  }

  #openPlain(frame: Frame, command: Command): Unwrapped | BrokenBy {
    if (frame.security === null && frame.id === replyIds.nak) return sealed(frame.data);
    const type = frame.security?.type ?? null;
    return type === replySecurity(command) ? sealed(frame.data) : 'malformedReply';
  }

  /** Only a NAK and the answer to KEYSET may come in plain during a session; neither carries card data. */
  #openSecured(frame: Frame, command: Command): Unwrapped | BrokenBy {
    if (frame.security !== null) return this.#session?.unwrap(frame) ?? 'wrongMac';
    if (frame.id === replyIds.nak) return sealed(frame.data);
    return frame.id === replyIds.ack && command.kind === 'keySet' ? empty : 'plainReply';
  }
}
