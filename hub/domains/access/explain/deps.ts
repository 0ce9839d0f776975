import type { LiveDoors } from '../controllers/live.ts';
import type { AccessDeps } from '../deps.ts';

export interface ExplainDeps extends Pick<AccessDeps, 'store' | 'clock' | 'link'> {
  readonly live: LiveDoors;
}
