import type { CardDeps } from '../cards/deps.ts';
import type { Commands } from '../controllers/commands.ts';
import type { LiveDoors } from '../controllers/live.ts';
import type { AccessDeps } from '../deps.ts';

export interface EnrolmentDeps
  extends CardDeps,
    Pick<AccessDeps, 'clock' | 'link' | 'announce' | 'after' | 'log'> {
  readonly commands: Pick<Commands, 'send'>;
  readonly live: Pick<LiveDoors, 'get'>;
}
