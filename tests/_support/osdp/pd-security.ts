import { commandIds, nakCodes, replyIds } from './pd-commands.ts';
import { nak } from './pd-device.ts';
import type { FaultPlan } from './pd-faults.ts';
import type { Frame, FrameHead } from './pd-frame.ts';
import { type StoredReply, sealReply } from './pd-reply-line.ts';
import { defaultKey, type KeyKind, PeripheralChannel } from './pd-secure.ts';
import type { PeripheralOptions } from './peripheral-options.ts';

/** What may be asked in the clear although everything else needs a channel. */
const alwaysPlain = new Set<number>([commandIds.id, commandIds.cap]);

/** The peripheral's key, its handshake, and which commands come through. */
export class PeripheralSecurity {
  ownKey: Uint8Array | null;
  #channel: PeripheralChannel | null = null;
  readonly #options: PeripheralOptions;
  readonly #faults: FaultPlan;
  readonly #accuse: (violation: string) => void;
  readonly #seenRandoms = new Set<string>();

  constructor(options: PeripheralOptions, faults: FaultPlan, accuse: (violation: string) => void) {
    this.ownKey = options.ownKey;
    this.#options = options;
    this.#faults = faults;
    this.#accuse = accuse;
  }

  /** The channel once both sides have proved their key. */
  get established(): PeripheralChannel | null {
    return this.#channel?.established ? this.#channel : null;
  }

  close(): void {
    this.#channel = null;
  }

  get needsChannelFor(): 'nothing' | 'cards' | 'everything' {
    const { secureFor } = this.#options;
    if (secureFor !== 'byKey') return secureFor;
    return this.ownKey === null ? 'nothing' : 'cards';
  }

  /** The command's plain data; null, and the channel is closed, when it must not be carried out. */
  open(frame: Frame, covered: Uint8Array): Uint8Array | null {
    const opened = frame.mac === null ? this.#openPlain(frame) : this.#openSecured(frame, covered, frame.mac);
    if (opened === null) this.close();
    return opened;
  }

  #openPlain(frame: Frame): Uint8Array | null {
    if (frame.security !== null) return this.#refuse('a security block that no command has');
    if (this.established) return this.#refuse('a plain command in a secure channel');
    return this.needsChannelFor === 'everything' && !alwaysPlain.has(frame.id) ? null : frame.data;
  }

  #openSecured(frame: Frame, covered: Uint8Array, mac: Uint8Array): Uint8Array | null {
    const channel = this.established;
    if (channel === null) return null;
    const type = frame.security?.[0];
    if (type !== 0x15 && type !== 0x17) return this.#refuse('the security block of a reply');
    if (type === 0x15 && frame.data.length > 0) return this.#refuse('data that is not encrypted');
    if (type === 0x17 && frame.data.length === 0) return this.#refuse('encryption of nothing');
    const data = channel.open(covered, mac, frame.data, type === 0x17);
    if (data === 'mac') return this.#refuse('a wrong MAC');
    return data === 'data' ? this.#refuse('wrong padding') : data;
  }

  #refuse(violation: string): null {
    this.#accuse(violation);
    return null;
  }

  /** CHLNG to CCRYPT. */
  challenge(frame: Frame, head: FrameHead): StoredReply {
    this.close();
    const refusal = (code: number): StoredReply => sealReply(head, nak(code), null);
    if (!this.#options.secureCapable || this.#faults.take('refuseSecurity', frame.id)) {
      return refusal(nakCodes.securityUnsupported);
    }
    const [type, kind] = frame.security ?? [];
    if (type !== 0x11 || (kind !== 0 && kind !== 1)) {
      this.#accuse('CHLNG without its security block');
      return refusal(nakCodes.securityConditions);
    }
    if (frame.data.length !== 8) return refusal(nakCodes.length);
    const random = Buffer.from(frame.data).toString('hex');
    if (this.#seenRandoms.has(random)) this.#accuse('RND.A used twice');
    this.#seenRandoms.add(random);
    const keyKind = kind === 1 ? 'own' : 'default';
    const key = this.#keyFor(keyKind);
    if (key === null) return refusal(nakCodes.securityConditions);
    const used = this.#faults.take('wrongKey', frame.id) ? key.map((byte) => ~byte & 0xff) : key;
    const randomB = this.#options.randomBytes(8);
    this.#channel = new PeripheralChannel(keyKind, used, frame.data, randomB);
    const data = [...this.#options.identity.slice(0, 8), ...randomB, ...this.#channel.cryptogram()];
    return sealReply(head, { id: replyIds.ccrypt, data }, null, [0x12, kind]);
  }

  #keyFor(kind: KeyKind): Uint8Array | null {
    if (kind === 'own') return this.ownKey;
    return this.ownKey === null || this.#options.acceptsDefaultKey ? defaultKey : null;
  }

  /** SCRYPT to RMAC_I. */
  serverCryptogram(frame: Frame, head: FrameHead): StoredReply {
    const channel = this.#channel;
    this.close();
    const refusal = sealReply(head, nak(nakCodes.securityConditions), null);
    const [type, kind] = frame.security ?? [];
    const isExpected = channel !== null && !channel.established;
    if (!isExpected || type !== 0x13 || kind !== Number(channel.keyKind === 'own')) {
      this.#accuse('SCRYPT out of place or without its security block');
      return refusal;
    }
    const mac = channel.confirm(frame.data);
    if (mac !== null) {
      this.#channel = channel;
      this.#options.report({ secure: { key: channel.keyKind } });
      return sealReply(head, { id: replyIds.rmacI, data: [...mac] }, null, [0x14, 1]);
    }
    if (this.#options.onBadCryptogram === 'nak') return refusal;
    return sealReply(head, { id: replyIds.rmacI, data: Array<number>(16).fill(0) }, null, [0x14, 0xff]);
  }
}
