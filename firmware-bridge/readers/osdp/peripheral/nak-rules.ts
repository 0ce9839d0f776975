import type { OsdpProblem } from '../problems.ts';
import { type Command } from '../wire/commands.ts';
import { nakCodes } from '../wire/replies.ts';

export interface NakFacts {
  readonly command: Command['kind'];
  readonly code: number;
  /** Received through the secure channel. */
  readonly isSecured: boolean;
  /** There is a session, or the reader is online without a secure channel. */
  readonly isInSession: boolean;
}

export type NakDecision =
  /** Another of the reader's keys may be right. */
  | { readonly kind: 'nextKey'; readonly problem: OsdpProblem }
  /** The handshake goes on as if the reader had no capabilities. */
  | { readonly kind: 'noCapabilities' }
  | { readonly kind: 'restart'; readonly problem: OsdpProblem }
  /** The session continues without it; `forGood`: until the next connection. */
  | { readonly kind: 'refused'; readonly forGood: boolean };

const restartCodes: readonly number[] = [
  nakCodes.sequence,
  nakCodes.secureChannelUnsupported,
  nakCodes.secureChannelCondition,
];

/** Decides what a NAK (OSDP 2.2, 7.3) means for the connection. It never lowers security, whatever its code. */
export function decideNak({ command, code, isSecured, isInSession }: NakFacts): NakDecision {
  if (command === 'challenge' || command === 'crypt') {
    const isUnsupported = code === nakCodes.secureChannelUnsupported || code === nakCodes.unknownCommand;
    const refused = command === 'crypt' ? 'wrongKey' : 'secureChannelRefused';
    return { kind: 'nextKey', problem: isUnsupported ? 'secureChannelUnsupported' : refused };
  }
  // Some readers reveal nothing outside the secure channel.
  if (command === 'capabilities' && code !== nakCodes.sequence) return { kind: 'noCapabilities' };
  if (!isInSession) return { kind: 'restart', problem: 'malformedReply' };
  // No peripheral rejects a poll as unknown. If somebody at the cable claims so, the answer that was held back must
  // not open a door.
  const isPoll = command === 'poll' && (!isSecured || code === nakCodes.unknownCommand);
  if (restartCodes.includes(code) || isPoll) return { kind: 'restart', problem: 'sessionLost' };
  return { kind: 'refused', forGood: code === nakCodes.unknownCommand };
}
