import type { ReplicatedTable } from '#hub/store/store.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';
import type { Progress } from './round.ts';
import type { RoundReport } from './runner.ts';

/** Start data of the sync Worker. */
export interface SyncWorkerData {
  readonly location: { readonly path: string; readonly key: Uint8Array };
  readonly tables: readonly ReplicatedTable[];
  readonly instance: string;
  readonly release: string;
  readonly pollMs: number;
}

export type KeeperCall = keyof ReplicaKeeper;

/** Messages from the Worker: writes, progress, and the end of a round. */
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

/** Messages to the Worker. `grown`: the outbox has new rows; `now`: run a round now; `stop`: end after the batch. */
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
