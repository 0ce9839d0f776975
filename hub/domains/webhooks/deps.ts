import type { Catalog } from '#hub/domain.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import type { Resolve } from './guarded-post.ts';
import type { DeliveryQueue } from './queue-workflow.ts';
import type { Networks } from './target-rules.ts';

/** Dependencies of the webhooks' workflows. */
export interface WebhookDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly queue: DeliveryQueue;
  readonly resolve: Resolve;
  readonly allowed: Networks;
  readonly ownNetworks: () => Networks;
  readonly maxPending: number;
  readonly catalog: Pick<Catalog, 'topics' | 'permissions'>;
  /** Announces a change of a webhook to live connections. */
  readonly onChanged: (webhookId: string) => void;
  /** Wakes the dispatcher: a delivery may be due now. */
  readonly wake: () => void;
}
