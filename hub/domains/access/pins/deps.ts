import type { HashPin } from '#hub/platform/pin-hash.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { CardDeps } from '../cards/deps.ts';
import type { AccessDeps } from '../deps.ts';
import type { StoredPin } from './repository.ts';

export interface PinDeps extends CardDeps, Pick<AccessDeps, 'clock'> {
  readonly vault: CardDeps['vault'] & {
    /** Gives a credential this PIN, or takes it away. */
    readonly setPin: (tx: Transaction, credentialId: string, pin: StoredPin | null) => Promise<void>;
  };
  /** One at a time: they come from people who type. */
  readonly hashPin: HashPin;
}
