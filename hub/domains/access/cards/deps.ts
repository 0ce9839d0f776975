import type { Reader, Transaction } from '#hub/store/store.ts';
import type { AccessDeps } from '../deps.ts';
import type { KnownReading } from '../schema.ts';
import type { Credential } from './schema.ts';

/** What other rooms know of a card and its page shows. */
export type CardMarks = Pick<Credential, 'looksLike' | 'notAppliedAt' | 'readAs' | 'suspectedCopy'>;

/** Loads the marks of many cards at once; answers for each of these ids. */
export type LoadCardMarks = (
  reader: Reader,
  credentialIds: readonly string[],
) => Promise<(credentialId: string) => CardMarks>;

export interface CardDeps extends Pick<AccessDeps, 'store' | 'newId' | 'announceIn'> {
  readonly vault: {
    readonly giveReadings: (
      tx: Transaction,
      credentialId: string,
      readings: readonly KnownReading[],
    ) => Promise<void>;
    /** Takes a credential's PIN away. */
    readonly setPin: (tx: Transaction, credentialId: string, pin: null) => Promise<void>;
  };
  readonly keeper: {
    /** Brings the doors' records of these credentials up to date. */
    readonly refreshCredentials: (tx: Transaction, credentialIds: readonly string[]) => Promise<void>;
  };
  readonly loadCardMarks: LoadCardMarks;
}
