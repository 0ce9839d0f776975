import type { Commands } from '../controllers/commands.ts';
import type { AccessDeps } from '../deps.ts';
import type { PolicyKeeper } from '../policy/workflow.ts';
import type { LiveBridges } from './live.ts';

export interface BridgeDeps extends Pick<AccessDeps, 'store' | 'newId' | 'clock' | 'link' | 'announceIn'> {
  readonly keeper: PolicyKeeper;
  readonly commands: Commands;
  readonly live: LiveBridges;
}
