import type { AccessDeps } from '../deps.ts';
import type { CardVault } from './vault.ts';

export interface RecoveryDeps extends Pick<AccessDeps, 'store' | 'newId' | 'cardKey'> {
  readonly vault: Pick<CardVault, 'keyId'>;
}
