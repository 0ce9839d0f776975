import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { After } from '#hub/platform/timers.ts';
import type { Announce, AnnounceIn, AnnouncementQueue } from '#hub/store/announce.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import type { BridgeLink } from './controllers/link.ts';

/** What the access domain needs of the rest of the hub. */
export interface AccessDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  /** The site's card key (32 bytes), under which readings and PINs are sealed. */
  readonly cardKey: Uint8Array;
  readonly log: Logger;
  readonly announce: Announce;
  readonly announceIn: AnnounceIn;
  readonly announcements: AnnouncementQueue;
  /** Tells the domains that stand on places of an area that was added. */
  readonly onPlacesChanged: (tx: Transaction) => Promise<void>;
  readonly link: BridgeLink;
  readonly after: After;
}
