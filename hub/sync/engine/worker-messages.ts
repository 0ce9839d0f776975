import type { ReplicatedTable } from '#hub/store/store.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';
import type { Progress } from './round.ts';
import type { RoundReport } from './runner.ts';

/** What the sync Worker is started with. */
export interface SyncWorkerData {
  readonly location: { readonly path: string; readonly key: Uint8Array };
  readonly tables: readonly ReplicatedTable[];
  readonly instance: string;
  readonly release: string;
  readonly pollMs: number;
}

export type KeeperCall = keyof ReplicaKeeper;

/** From the Worker: what is to be written, what goes on, and how a round ended. */
export type FromSyncWorker =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: KeeperCall;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'begun' }
  | { readonly kind: 'ended'; readonly report: RoundReport };

/** To the Worker. `grown`: something waits in the outbox; `now`: a round at once; `stop`: the end after the batch. */
export type ToSyncWorker =
  | { readonly kind: 'grown' | 'now' | 'stop' }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly value: unknown;
      /** So many requests the hub has answered since it started. */
      readonly answeredRequests: number;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };
