import type { z } from 'zod';
import type { Policy } from '#bridge/policy/policy.ts';
import type { StoredPolicy } from '#bridge/policy/store.ts';
import type { CommandOutcome, DoorCommand } from '#bridge/ports.ts';
import type { BridgeState, helloSchema } from '#hub/domains/access/controllers/link-schema.ts';
import type { PolicyVersion } from '#hub/domains/access/decide/policy-schema.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import type { LogLevel } from '#hub/platform/log.ts';

/* Messages between the door thread and the link Worker. Everything is copied except the records of a policy. */

export interface JournalNumbers {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly syncedSeq: number;
}

export interface LinkData {
  readonly stateDirectory: string;
  readonly connection:
    | { readonly kind: 'socket'; readonly path: string }
    | { readonly kind: 'tls'; readonly url: string; readonly caFile: string };
  readonly bridgeKey: Uint8Array;
  readonly journalId: string;
  readonly journal: JournalNumbers;
  readonly policy: StoredPolicy | null;
  /** The part of a hello that stays the same while the process runs. */
  readonly hello: Pick<
    z.infer<typeof helloSchema>,
    'protocol' | 'bootId' | 'release' | 'portals' | 'simulated'
  >;
  readonly clock: ClockReading;
  readonly logLevel: LogLevel;
  /** Shared counter of lost log lines. */
  readonly lostLogLines: Uint32Array;
}

/** The door thread's clock, the only one that follows the hub's. */
export interface ClockReading {
  /** Its lead over the system clock, ms. */
  readonly offsetMs: number;
  readonly trust: ClockTrust;
}

export type ToLink =
  | { readonly kind: 'journal'; readonly journal: JournalNumbers }
  | { readonly kind: 'state'; readonly state: BridgeState; readonly clock: ClockReading }
  | { readonly kind: 'reply'; readonly commandId: string; readonly outcome: CommandOutcome }
  /** The policy with this number is in force now. */
  | { readonly kind: 'swapped'; readonly swap: number }
  | { readonly kind: 'stop' };

export type ToDoor =
  | {
      readonly kind: 'policy';
      readonly swap: number;
      readonly policy: Policy;
      readonly removedIds: readonly string[];
    }
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'hubTime'; readonly wallMs: number; readonly trust: ClockTrust }
  | { readonly kind: 'acked'; readonly seq: number }
  /** The hub holds more of this journal than exists: the disk lost confirmed events. */
  | { readonly kind: 'hubAhead'; readonly seq: number }
  | { readonly kind: 'command'; readonly command: DoorCommand; readonly expiresInMs: number }
  | { readonly kind: 'hubGone'; readonly reason: string }
  | { readonly kind: 'policyRefused'; readonly code: string; readonly kept: PolicyVersion | null };
