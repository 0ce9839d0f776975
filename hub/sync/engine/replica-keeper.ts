import type { RowPage } from '#hub/store/writing/replicated-writes.ts';
import type { CentralChange, DeadOperation } from '../central/centre.ts';
import type { Halt, Stage } from '../schema.ts';

/** How far the centre has taken the operations of an epoch. */
export interface Acknowledgement {
  readonly epoch: number;
  readonly seq: number;
  readonly chain: string;
  readonly dead: readonly DeadOperation[];
}

export interface Epoch {
  readonly epoch: number;
  readonly instance: string;
  readonly from: number;
  readonly chain: string;
  readonly stage: Stage;
}

/** Has the hub write the results of a round. Plain data: the round runs in a Worker, the store's only writer does not. */
export interface ReplicaKeeper {
  /** Records that the centre has everything up to `seq`; keeps what it refused as dead letters. */
  acknowledge(ack: Acknowledgement): Promise<void>;
  /** Applies changes of the centre in their order and moves the cursor on. */
  take(changes: readonly CentralChange[]): Promise<void>;
  /** Applies whole rows; `place` is where to go on. */
  takePage(page: RowPage, place: string): Promise<void>;
  /** Ends the bootstrap: the hub has everything that the centre had at `cursor`. */
  finishBootstrap(cursor: number, cid: string | null): Promise<void>;
  /** Starts to take these tables, or all, from the centre again. */
  beginBootstrap(tables: readonly string[] | null): Promise<void>;
  /** Enters an epoch that began at the centre, in the stage that comes first in it. */
  enterEpoch(epoch: Epoch): Promise<void>;
  /** Announces the next rows; true once all are announced and the stage is `backfill`. */
  announceNext(): Promise<boolean>;
  /** Saves how far the backfill went up; null ends the stage. */
  noteBackfill(place: string | null): Promise<void>;
  /** Keeps a row of the backfill that the centre cannot take as a dead letter. */
  addDeadLetter(tbl: string, pk: string, problem: string): Promise<void>;
  /** Stops rounds until a person decides. */
  halt(why: Exclude<Halt, 'approved'>): Promise<void>;
  /** Saves the token of the next rounds; the current one is kept until the next has worked. */
  noteToken(change: { readonly next: Uint8Array } | { readonly current: Uint8Array }): Promise<void>;
}
