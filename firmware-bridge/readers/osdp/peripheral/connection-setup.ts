import { unreachable } from '#hub/kernel/result.ts';
import type { OsdpProblem } from '../problems.ts';
import type { Command } from '../wire/commands.ts';
import type { Reply } from '../wire/replies.ts';
import type { SecureSession } from '../wire/secure-channel.ts';
import { Handshake } from './handshake.ts';
import type { KeyCandidate, ReaderKeys } from './reader-keys.ts';
import type { ReaderStatus } from './reader-status.ts';

/** Outcome of a reply during setup. */
export type Progress =
  /** Another command follows. */
  | { readonly kind: 'continues' }
  /** Another of the reader's keys may be right. */
  | { readonly kind: 'nextKey'; readonly problem: OsdpProblem }
  | { readonly kind: 'failed'; readonly problem: OsdpProblem }
  /** The reader is connected, and needs no secure channel. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'secured'; readonly session: SecureSession; readonly source: KeyCandidate['source'] };

export interface ConnectionSetupDeps {
  readonly secureChannel: 'required' | 'off';
  readonly keys: ReaderKeys;
  /** Receives the reader's capabilities. */
  readonly status: ReaderStatus;
  readonly random: (bytes: number) => Uint8Array;
}

const continues: Progress = { kind: 'continues' };
const malformed: Progress = { kind: 'failed', problem: 'malformedReply' };

/** A NAK comes from a reader that reveals nothing outside the secure channel. */
const mayLack = (reply: Reply, wanted: 'identity' | 'capabilities'): boolean =>
  reply.kind === wanted || reply.kind === 'nak' || reply.kind === 'malformed';

/**
 * Takes a reader from its first command to a session: identity, capabilities, secure-channel handshake.
 *
 * Invariant: with `secureChannel: required` it ends in `secured` or not at all, whatever the reader says.
 */
export class ConnectionSetup {
  readonly #deps: ConnectionSetupDeps;
  readonly #handshake: Handshake;
  #step: 'wake' | 'identity' | 'capabilities' | 'challenge' | 'crypt' = 'identity';
  #isAnswered = false;
  /** As last reported. */
  #identity: string | null = null;
  #hasCapabilities = false;

  constructor(deps: ConnectionSetupDeps) {
    this.#deps = deps;
    this.#handshake = new Handshake(deps.keys, deps.random);
  }

  get identity(): string | null {
    return this.#identity;
  }
  /** What the reader kept to itself outside the secure channel. */
  missing(): readonly ('identity' | 'capabilities')[] {
    return [
      ...(this.#identity === null ? (['identity'] as const) : []),
      ...(this.#hasCapabilities ? [] : (['capabilities'] as const)),
    ];
  }
  noteIdentity(identity: string): void {
    this.#identity = identity;
  }
  /** True until the first answer. */
  get isAtStart(): boolean {
    return !this.#isAnswered;
  }

  /**
   * `withPoll`: some readers answer nothing until they have been polled. `isReturning`: it has just been in a session,
   * so that nothing has to be asked again before the next one.
   */
  begin(withPoll: boolean, isReturning: boolean, nowMs: number): void {
    this.#isAnswered = false;
    const isShort =
      isReturning && this.#deps.secureChannel === 'required' && this.#handshake.selectKey(nowMs);
    this.#step = withPoll ? 'wake' : isShort ? 'challenge' : 'identity';
  }

  /** Starts over with the first key. */
  firstKey(): void {
    this.#handshake.firstKey();
  }

  /**
   * Returns 'startOver' for the next key, or 'goOn' if another challenge follows the one that was refused; after the
   * last, the problem to report for this round.
   */
  nextKey(problem: OsdpProblem, nowMs: number): OsdpProblem | 'startOver' | 'goOn' {
    if (this.#handshake.nextKey(problem, nowMs)) return 'startOver';
    if (!this.#handshake.probeInstallKey(nowMs)) return this.#handshake.problem();
    this.#step = 'challenge';
    return 'goOn';
  }

  next(): Command {
    switch (this.#step) {
      case 'wake':
        return { kind: 'poll' };
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

  /** Handles the reply to the command that `next` returned last. */
  take(reply: Reply, nowMs: number): Progress {
    this.#isAnswered = true;
    switch (this.#step) {
      case 'wake':
        // Whatever it is: outside the secure channel it is no card.
        this.#step = 'identity';
        return continues;
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

  /** A session needs none. */
  #onIdentity(reply: Reply): Progress {
    if (!mayLack(reply, 'identity')) return malformed;
    this.#identity = reply.kind === 'identity' ? reply.text : null;
    this.#step = 'capabilities';
    return continues;
  }

  #onCapabilities(reply: Reply, nowMs: number): Progress {
    if (!mayLack(reply, 'capabilities')) return malformed;
    this.#hasCapabilities = reply.kind === 'capabilities';
    this.#deps.status.setCapabilities(reply.kind === 'capabilities' ? reply.capabilities : []);
    if (this.#deps.secureChannel === 'off') return { kind: 'plain' };
    if (!this.#handshake.selectKey(nowMs)) return { kind: 'failed', problem: 'notPaired' };
    this.#step = 'challenge';
    return continues;
  }

  #onChallengeReply(reply: Reply): Progress {
    if (reply.kind !== 'challengeReply') return malformed;
    const problem = this.#handshake.onChallengeReply(reply);
    if (problem !== null) return { kind: 'nextKey', problem };
    this.#step = 'crypt';
    return continues;
  }

  #onCryptReply(reply: Reply): Progress {
    if (reply.kind !== 'cryptReply') return { kind: 'nextKey', problem: 'malformedReply' };
    const session = this.#handshake.onCryptReply(reply);
    return session === null ? { kind: 'nextKey', problem: 'wrongKey' } : { kind: 'secured', ...session };
  }
}
