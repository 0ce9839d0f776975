import type { Catalog } from '#hub/domain.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import type { Resolve } from './guarded-post.ts';
import type { DeliveryQueue } from './queue-workflow.ts';
import type { AllowedNetworks } from './target-rules.ts';

/** What the workflows of webhooks stand on. */
export interface WebhookDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly queue: DeliveryQueue;
  readonly resolve: Resolve;
  readonly allowed: AllowedNetworks;
  readonly maxPending: number;
  readonly catalog: Pick<Catalog, 'topics' | 'permissions'>;
  /** Live connections are told that something about a webhook is different. */
  readonly onChanged: (webhookId: string) => void;
  /** Something may go out that could not before. */
  readonly wake: () => void;
}
