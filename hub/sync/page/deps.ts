import type { Store } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import type { Follow, Sync } from '../sync.ts';

/** Dependencies of the workflows of conflicts and dead letters. */
export interface SyncPageDeps {
  readonly store: Store;
  /** Every table of the hub, by name. */
  readonly tables: Registrations;
  readonly sync: Pick<Sync, 'freshCopy' | 'announceChanged'>;
  readonly follow: Follow;
}
