import type { Actor } from '#hub/domains/identity/schema.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { FieldRefusal } from '#hub/store/written.ts';
import type { LinkRequest, SyncStatus } from './schema.ts';

/** The central database could not be used; `nextStep` says more than the code where something more is known. */
export interface CentralRefusal
  extends Refusal<'centralUnreachable' | 'centralTlsFailed' | 'centralLoginFailed' | 'centralError'> {
  /** The message of the server or the network, without any part of the address. */
  readonly detail?: string;
}

export type LinkRefusal =
  | Refusal<'alreadyLinked' | 'notClaimed' | 'siteHasData' | 'hubTooNew' | 'hubTooOld'>
  | FieldRefusal<'centralAddressInvalid' | 'codeWrong'>
  | CentralRefusal;

/** Replication with the central database, as routes and pages see it. */
export interface Sync {
  status(): Promise<SyncStatus>;
  /** Makes this hub the one that the code was made for. The address holds a password: it is kept, never told. */
  link(actor: Actor, request: LinkRequest): Promise<Result<SyncStatus, LinkRefusal>>;
  /** Unlinks from the centre. The data on either side stays. */
  unlink(actor: Actor): Promise<Result<SyncStatus, Refusal<'notLinked'>>>;
  /** Runs a round now. */
  runNow(): Promise<Result<SyncStatus, Refusal<'notLinked'>>>;
  /** Goes on as a new epoch on this machine, where it stopped with `fenced` or `machineChanged`. */
  approve(actor: Actor): Promise<Result<SyncStatus, Refusal<'notLinked' | 'nothingToApprove'>>>;
  /** Takes a table in from the centre again, in the next round. */
  freshCopy(tx: Transaction, table: string): Promise<void>;
  /** Announces a change to live pages. */
  announceChanged(): void;
}

/** Brings what follows from rows up to date, in the transaction that changed them: search, doors, live pages. */
export type Follow = (tx: Transaction, table: string, ids: readonly string[]) => Promise<void>;
