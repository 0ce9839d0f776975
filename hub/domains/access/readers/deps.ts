import type { Commands } from '../controllers/commands.ts';
import type { AccessDeps } from '../deps.ts';
import type { ReaderLive } from './schema.ts';

export interface LiveReaders {
  /** Null while its bridge is not connected or has not said how the reader is. */
  reader(bridgeId: string, key: string): ReaderLive | null;
}

export interface ReaderDeps extends Pick<AccessDeps, 'store' | 'newId' | 'link'> {
  readonly commands: Pick<Commands, 'send'>;
  readonly live: LiveReaders;
}
