import type { Store } from '#hub/store/store.ts';
import type { Follow } from '../sync.ts';

export interface KeeperDeps {
  readonly store: Store;
  readonly newId: () => string;
  readonly follow: Follow;
}
