import type { LiveDoors } from '../controllers/live.ts';
import type { AccessDeps } from '../deps.ts';
import type { CardGuesses } from './card-guesses.ts';

export interface ExplainDeps extends Pick<AccessDeps, 'store' | 'clock' | 'link'> {
  readonly live: LiveDoors;
  readonly guesses: CardGuesses;
}
