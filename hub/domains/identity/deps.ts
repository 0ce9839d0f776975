import type { PermissionCatalog } from '#hub/kernel/permission-catalog.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import type { PasswordHasher } from './accounts/password.ts';
import type { Site } from './repository.ts';
import { currentSessionSchemaOf, permissionSchemaOf, roleSchemasOf } from './schema.ts';
import type { TokenKeys } from './tokens/keys.ts';
import { serviceAccountSchemasOf } from './tokens/schema.ts';

/** The result of the claim, for domains that set up a new site. */
export interface Claimed {
  readonly site: Site;
  readonly ownerAccountId: string;
  /** Whether the owner wants a first plan and access rule to start from. */
  readonly starterRules: boolean;
}

/** The shapes on the wire in which permissions occur: which there are is known once all domains are. */
export type PermissionWire = ReturnType<typeof permissionWireOf>;
export function permissionWireOf(permissions: PermissionCatalog) {
  const permission = permissionSchemaOf(permissions.names);
  return {
    currentSession: currentSessionSchemaOf(permission),
    ...roleSchemasOf(permission),
    ...serviceAccountSchemasOf(permission),
  };
}

export interface IdentityDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly passwords: PasswordHasher;
  readonly tokens: TokenKeys;
  /** Signs the proofs of known devices. */
  readonly deviceKey: Uint8Array;
  readonly permissions: PermissionCatalog;
  /** The shapes on the wire in which permissions occur. */
  readonly wire: PermissionWire;
  /** Inside the claim's transaction. */
  readonly onClaimed: (tx: Transaction, claimed: Claimed) => Promise<void>;
  /** Inside the transaction that changed the site's name or time zone. */
  readonly onSiteChanged: (tx: Transaction, site: Site) => Promise<void>;
  /** After sessions or tokens were ended: whoever still listens with one must go. */
  readonly onSessionsEnded: () => void;
  readonly memberExists: (reader: Reader, memberId: string) => Promise<boolean>;
}
