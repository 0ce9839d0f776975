import type { Transaction } from '#hub/store/store.ts';
import type { AccessDeps } from '../deps.ts';
import type { PortalRow } from '../doors/repository.ts';
import type { AccessEventRow } from './repository.ts';

/** Events of one bridge that were just stored, inside the transaction that stored them. */
export interface StoredEvents {
  readonly added: readonly AccessEventRow[];
  /** Those of them with a duress PIN: the events themselves do not say so. */
  readonly underDuress: readonly AccessEventRow[];
  /** All doors of the site. */
  readonly portals: readonly PortalRow[];
}

export interface EventDeps
  extends Pick<AccessDeps, 'store' | 'newId' | 'announce' | 'announcements' | 'log'> {
  readonly onEventsStored: (tx: Transaction, stored: StoredEvents) => Promise<void>;
}
