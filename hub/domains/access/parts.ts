import type { HashPin } from '#hub/platform/pin-hash.ts';
import type { CardVault } from './card-vault.ts';
import type { Commands } from './commands.ts';
import type { AccessDeps } from './context.ts';
import type { LiveBridges } from './live-bridges.ts';
import type { PolicyKeeper } from './policy-workflow.ts';

/** What the workflows of the access domain stand on. */
export interface AccessParts extends AccessDeps {
  readonly keeper: PolicyKeeper;
  readonly vault: CardVault;
  readonly commands: Commands;
  readonly live: LiveBridges;
  /** One at a time: they come from people who type. */
  readonly hashPin: HashPin;
}
