import { unreachable } from '#hub/kernel/result.ts';
import type { OsdpProblem } from '../problems.ts';
import type { Command, Reply } from '../wire/messages.ts';
import type { SecureSession } from '../wire/secure-channel.ts';
import { Handshake } from './handshake.ts';
import type { KeyCandidate, ReaderKeys } from './reader-keys.ts';
import type { ReaderStatus } from './reader-status.ts';

/** What a reply led to. */
export type Progress =
  /** There is a next command. */
  | { readonly kind: 'goesOn' }
  /** Another of the reader's keys may be right. */
  | { readonly kind: 'nextKey'; readonly problem: OsdpProblem }
  | { readonly kind: 'failed'; readonly problem: OsdpProblem }
  /** The reader is connected, and needs no secure channel. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'secured'; readonly session: SecureSession; readonly source: KeyCandidate['source'] };

export interface ConnectingDeps {
  readonly secureChannel: 'required' | 'off';
  readonly keys: ReaderKeys;
  /** Gets the reader's capabilities. */
  readonly status: ReaderStatus;
  readonly random: (bytes: number) => Uint8Array;
}

const goesOn: Progress = { kind: 'goesOn' };
const malformed: Progress = { kind: 'failed', problem: 'malformedReply' };

/**
 * The way of a reader from its first command to a session: who it is, what it can do, the handshake of the secure channel.
 *
 * Invariant: with `secureChannel: required` it ends in `secured` or not at all, whatever the reader says.
 */
export class Connecting {
  readonly #deps: ConnectingDeps;
  readonly #handshake: Handshake;
  #step: 'identity' | 'capabilities' | 'challenge' | 'crypt' = 'identity';
  /** As it said the last time. */
  #identity: string | null = null;

  constructor(deps: ConnectingDeps) {
    this.#deps = deps;
    this.#handshake = new Handshake(deps.keys, deps.random);
  }

  get identity(): string | null {
    return this.#identity;
  }
  /** Nothing has been answered yet. */
  get isAtStart(): boolean {
    return this.#step === 'identity';
  }

  begin(): void {
    this.#step = 'identity';
  }

  /** A new round of keys. */
  firstKey(): void {
    this.#handshake.firstKey();
  }

  /** Null: from the start with another key. Else it was the last one of the round, and this is why none was right. */
  nextKey(problem: OsdpProblem, nowMs: number): OsdpProblem | null {
    return this.#handshake.nextKey(problem, nowMs) ? null : this.#handshake.problem();
  }

  next(): Command {
    switch (this.#step) {
      case 'identity':
        return { kind: 'identity' };
      case 'capabilities':
        return { kind: 'capabilities' };
      case 'challenge':
        return this.#handshake.challenge();
      case 'crypt':
        return this.#handshake.crypt();
      default:
        return unreachable(this.#step);
    }
  }

  /** The reply to the command that `next` gave last. */
  take(reply: Reply, nowMs: number): Progress {
    switch (this.#step) {
      case 'identity':
        return this.#onIdentity(reply);
      case 'capabilities':
        return this.#onCapabilities(reply, nowMs);
      case 'challenge':
        return this.#onChallengeReply(reply);
      case 'crypt':
        return this.#onCryptReply(reply);
      default:
        return unreachable(this.#step);
    }
  }

  #onIdentity(reply: Reply): Progress {
    if (reply.kind !== 'identity') return malformed;
    this.#identity = reply.text;
    this.#step = 'capabilities';
    return goesOn;
  }

  /** A NAK here is a reader that says nothing of itself in the open. */
  #onCapabilities(reply: Reply, nowMs: number): Progress {
    if (reply.kind !== 'capabilities' && reply.kind !== 'nak') return malformed;
    this.#deps.status.setCapabilities(reply.kind === 'capabilities' ? reply.capabilities : []);
    if (this.#deps.secureChannel === 'off') return { kind: 'plain' };
    if (!this.#handshake.selectKey(nowMs)) return { kind: 'failed', problem: 'notPaired' };
    this.#step = 'challenge';
    return goesOn;
  }

  #onChallengeReply(reply: Reply): Progress {
    if (reply.kind !== 'challengeReply') return malformed;
    const problem = this.#handshake.onChallengeReply(reply);
    if (problem !== null) return { kind: 'nextKey', problem };
    this.#step = 'crypt';
    return goesOn;
  }

  #onCryptReply(reply: Reply): Progress {
    if (reply.kind !== 'cryptReply') return { kind: 'nextKey', problem: 'malformedReply' };
    const session = this.#handshake.onCryptReply(reply);
    return session === null ? { kind: 'nextKey', problem: 'wrongKey' } : { kind: 'secured', ...session };
  }
}
