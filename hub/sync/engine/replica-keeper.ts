import type { RowPage } from '#hub/store/replicated-writes.ts';
import type { CentralChange, DeadOperation } from '../central/centre.ts';
import type { Halt, Stage } from '../schema.ts';

/** What a round has the hub write. Plain data: the round runs in a Worker, the store's only writer does not. */
export interface ReplicaKeeper {
  /** The centre has everything up to `seq`; what died there is kept to be seen. */
  acknowledge(ack: {
    readonly epoch: number;
    readonly seq: number;
    readonly chain: string;
    readonly dead: readonly DeadOperation[];
  }): Promise<void>;
  /** Takes changes of the centre in, in their order, and with them the cursor. */
  take(changes: readonly CentralChange[]): Promise<void>;
  /** Takes whole rows in; `place` is where to go on. */
  takePage(page: RowPage, place: string): Promise<void>;
  /** Everything that the centre had at `cursor` is here. */
  finishBootstrap(cursor: number, cid: string | null): Promise<void>;
  /** From here on everything is taken from the centre anew, of these tables or of all. */
  beginBootstrap(tables: readonly string[] | null): Promise<void>;
  /** Another epoch began at the centre; what is to be done in it first. */
  enterEpoch(epoch: {
    readonly epoch: number;
    readonly instance: string;
    readonly from: number;
    readonly chain: string;
    readonly stage: Stage;
  }): Promise<void>;
  /** Announces some more rows; true when that was all, and the stage `backfill` has begun. */
  announceNext(): Promise<boolean>;
  /** How far the rows from before have gone up; null: all, and the stage is over. */
  noteBackfill(place: string | null): Promise<void>;
  /** A row from before that the centre cannot take. */
  bury(tbl: string, pk: string, problem: string): Promise<void>;
  /** Nothing goes on until a person decides. */
  halt(why: Exclude<Halt, 'approved'>): Promise<void>;
  /** The token of the next rounds; the one before stays until it has worked. */
  noteToken(change: { readonly next: Uint8Array } | { readonly current: Uint8Array }): Promise<void>;
}
