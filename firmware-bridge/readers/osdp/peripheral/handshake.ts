import type { OsdpProblem } from '../problems.ts';
import { type Command } from '../wire/commands.ts';
import { type Reply } from '../wire/replies.ts';
import {
  deriveSessionKeys,
  initialReplyMac,
  installKey,
  panelCryptogram,
  peripheralCryptogram,
  type SecureSession,
  type SessionKeys,
  sameBytes,
  secureSession,
} from '../wire/secure-channel.ts';
import type { KeyCandidate, ReaderKeys } from './reader-keys.ts';

const randomBytes = 8;
const nothing = new Uint8Array();

/** Ranks the problems of a round of keys: a reader without any secure channel reports so for each key. */
const weights: Partial<Record<OsdpProblem, number>> = {
  installKey: 4,
  secureChannelUnsupported: 3,
  wrongKey: 2,
  secureChannelRefused: 1,
};

/** The secure-channel handshake (OSDP 2.2, annex D.1), which tries the reader's keys in turn. */
export class Handshake {
  readonly #keys: ReaderKeys;
  readonly #random: (bytes: number) => Uint8Array;
  #index = 0;
  #candidate: KeyCandidate | null = null;
  #panelRandom: Uint8Array = nothing;
  #session: { readonly keys: SessionKeys; readonly cryptogram: Uint8Array } | null = null;
  #problem: OsdpProblem = 'notPaired';
  /** The challenge under way only finds out whether the reader is on the install key. */
  #isProbing = false;

  constructor(keys: ReaderKeys, random: (bytes: number) => Uint8Array) {
    this.#keys = keys;
    this.#random = random;
  }

  /** Starts over with the first key. */
  firstKey(): void {
    this.#index = 0;
    this.#isProbing = false;
  }

  /** Selects the key to try; false if there is none. */
  selectKey(nowMs: number): boolean {
    const candidates = this.#keys.candidates(nowMs);
    // The list may be shorter now: pairing has ended.
    this.#candidate = candidates[this.#index] ?? candidates[0] ?? null;
    this.#session = null;
    return this.#candidate !== null;
  }

  /** Moves on to the next key; false after the last one. */
  nextKey(problem: OsdpProblem, nowMs: number): boolean {
    // Readers refuse the install key in all ways; only the proof that they have it counts.
    if (this.#isProbing) {
      if (problem === 'installKey') this.#problem = problem;
      return false;
    }
    if (this.#index === 0 || (weights[problem] ?? 0) > (weights[this.#problem] ?? 0)) this.#problem = problem;
    this.#index += 1;
    return this.#index < this.#keys.candidates(nowMs).length;
  }

  problem(): OsdpProblem {
    return this.#problem;
  }

  /**
   * Asks, after the last key, whether the reader was reset to the install key: it may refuse the others without a
   * word about that. False: that is known already. No session follows, whatever it answers.
   */
  probeInstallKey(nowMs: number): boolean {
    if (this.#isProbing || this.#keys.isInstalling(nowMs)) return false;
    if (this.#problem !== 'wrongKey' && this.#problem !== 'secureChannelRefused') return false;
    this.#isProbing = true;
    return true;
  }

  challenge(): Command {
    this.#panelRandom = this.#random(randomBytes).slice(0, randomBytes);
    return { kind: 'challenge', panelRandom: this.#panelRandom, ownKey: this.#isOwnKey() };
  }

  /** Checks the reader's cryptogram; null if it proves that the reader has the key. */
  onChallengeReply(reply: Reply & { readonly kind: 'challengeReply' }): OsdpProblem | null {
    if (this.#candidate === null) return 'notPaired';
    const { peripheralRandom } = reply;
    if (this.#isProbing) {
      const isOnInstallKey = this.#proves(deriveSessionKeys(installKey, this.#panelRandom), reply);
      return isOnInstallKey ? 'installKey' : 'wrongKey';
    }
    const keys = deriveSessionKeys(this.#candidate.key, this.#panelRandom);
    if (!this.#proves(keys, reply)) {
      // Only for the reported problem: no session follows.
      const isOnInstallKey = this.#proves(deriveSessionKeys(installKey, this.#panelRandom), reply);
      return isOnInstallKey ? 'installKey' : 'wrongKey';
    }
    this.#session = { keys, cryptogram: panelCryptogram(keys, this.#panelRandom, peripheralRandom) };
    return null;
  }

  crypt(): Command {
    const cryptogram = this.#session?.cryptogram ?? nothing;
    return { kind: 'crypt', cryptogram, ownKey: this.#isOwnKey() };
  }

  /** Opens the session; null if the reader's first MAC does not follow from the key. */
  onCryptReply(
    reply: Reply & { readonly kind: 'cryptReply' },
  ): { readonly session: SecureSession; readonly source: KeyCandidate['source'] } | null {
    if (this.#session === null || this.#candidate === null) return null;
    const { keys, cryptogram } = this.#session;
    const expected = initialReplyMac(keys, cryptogram);
    if (!sameBytes(expected, reply.replyMac)) return null;
    return { session: secureSession(keys, expected), source: this.#candidate.source };
  }

  #isOwnKey(): boolean {
    return !this.#isProbing && this.#candidate?.source !== 'install';
  }

  #proves(keys: SessionKeys, reply: Reply & { readonly kind: 'challengeReply' }): boolean {
    return sameBytes(peripheralCryptogram(keys, this.#panelRandom, reply.peripheralRandom), reply.cryptogram);
  }
}
