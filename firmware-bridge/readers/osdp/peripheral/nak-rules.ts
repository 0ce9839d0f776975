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
  /** The connection goes on without what was asked for: identity or capabilities. */
  | { readonly kind: 'withoutIt' }
  | { readonly kind: 'restart'; readonly problem: OsdpProblem }
  /** The session continues without it; `forGood`: until the next connection. */
  | { readonly kind: 'refused'; readonly forGood: boolean };

const channelCodes: readonly number[] = [nakCodes.secureChannelUnsupported, nakCodes.secureChannelCondition];

/** Decides what a NAK (OSDP 2.2, 7.3) means for the connection. It never lowers security, whatever its code. */
export function decideNak({ command, code, isSecured, isInSession }: NakFacts): NakDecision {
  if ((command === 'challenge' || command === 'crypt') && code !== nakCodes.sequence) {
    const isUnsupported = code === nakCodes.secureChannelUnsupported || code === nakCodes.unknownCommand;
    const refused = command === 'crypt' ? 'wrongKey' : 'secureChannelRefused';
    return { kind: 'nextKey', problem: isUnsupported ? 'secureChannelUnsupported' : refused };
  }
  if (!isInSession) {
    // Some readers reveal nothing outside the secure channel; the poll that wakes a reader may be refused, too.
    const isDispensable = command === 'identity' || command === 'capabilities' || command === 'poll';
    if (isDispensable && code !== nakCodes.sequence) return { kind: 'withoutIt' };
    return { kind: 'restart', problem: code === nakCodes.sequence ? 'sessionLost' : 'malformedReply' };
  }
  const isChannelCode = channelCodes.includes(code);
  // No peripheral rejects a poll as unknown. If somebody at the cable claims so, the answer that was held back must
  // not open a door.
  const isLost = !isSecured || isChannelCode || code === nakCodes.unknownCommand;
  if (code === nakCodes.sequence || (command === 'poll' && isLost))
    return { kind: 'restart', problem: 'sessionLost' };
  // If these codes mean that the session is gone, the next poll is refused as well.
  return { kind: 'refused', forGood: isChannelCode || code === nakCodes.unknownCommand };
}
