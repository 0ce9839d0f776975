import type { Reader, Transaction } from '#hub/store/store.ts';
import type { Commands } from '../controllers/commands.ts';
import type { LiveDoors } from '../controllers/live.ts';
import type { AccessDeps } from '../deps.ts';

/** Audit, policy and announcement follow every change of a door or a rule. */
export interface PolicyChangeDeps extends Pick<AccessDeps, 'announceIn'> {
  readonly keeper: {
    /** Writes the policy documents of all bridges anew where they changed. */
    readonly refreshDocuments: (tx: Transaction) => Promise<void>;
  };
}

export interface DoorDeps extends PolicyChangeDeps, Pick<AccessDeps, 'store' | 'newId' | 'clock' | 'link'> {
  readonly commands: Pick<Commands, 'send'>;
  readonly live: LiveDoors;
  /** Ids of the bridges that have applied the newest policy. */
  readonly findBridgesUpToDate: (reader: Reader) => Promise<ReadonlySet<string>>;
  /** Removes the rules that are about this door alone. */
  readonly removeRulesOf: (tx: Transaction, portalId: string) => Promise<void>;
}
