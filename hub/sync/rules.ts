import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import type { Halt, SyncProblemCode, SyncState } from './schema.ts';

/** The facts that decide the state of replication. */
export interface SyncFacts {
  readonly isLinked: boolean;
  readonly halted: Halt | null;
  /** Why the last round failed. */
  readonly problem: SyncProblemCode | null;
  /** Seed and bootstrap are complete: only changes go both ways. */
  readonly isLive: boolean;
  /** Whether a round has gone through since the start. */
  readonly hasHeard: boolean;
  /** Changes that wait on either side. */
  readonly waiting: number;
}

/** Problems that end by themselves; any other waits for a person. */
const passing: ReadonlySet<SyncProblemCode> = new Set(['centralUnreachable', 'centralError', 'internal']);

/** Decides the state of replication. */
export function decideSyncState(facts: SyncFacts): SyncState {
  if (!facts.isLinked) return 'notLinked';
  if (haltProblem(facts.halted) !== null) return 'stopped';
  if (facts.problem !== null) return passing.has(facts.problem) ? 'offline' : 'stopped';
  return facts.isLive && facts.hasHeard && facts.waiting === 0 ? 'upToDate' : 'working';
}

/** The problem that a halt is; none once a person has said that it goes on. */
export const haltProblem = (halted: Halt | null): SyncProblemCode | null =>
  halted === 'approved' ? null : halted;

interface ProblemWords {
  /** Where whoever saw it said nothing more exact. */
  readonly evidence: string;
  readonly fix: string;
}

/** Describes each problem of a round and the next step. */
export const problemWords: Readonly<Record<SyncProblemCode, ProblemWords>> = {
  centralUnreachable: {
    evidence: 'The central database cannot be reached.',
    fix: 'Nothing is lost: everything works here and is sent later. If the internet is there, check that the database runs and that its firewall lets this hub in.',
  },
  centralTlsFailed: {
    evidence: 'The certificate of the central database is not trusted.',
    fix: 'Ask whoever runs the database for the certificate of its authority; unlink this hub and link it again with that.',
  },
  centralLoginFailed: {
    evidence: 'The central database does not accept the user or the password.',
    fix: 'Ask whoever runs the database for the present address; unlink this hub and link it again with that.',
  },
  centralError: {
    evidence: 'The central database answered with an error.',
    fix: 'It is tried again by itself. If it stays, show this to whoever runs the database.',
  },
  tokenWrong: {
    evidence: 'The centre does not know this hub by its token.',
    fix: 'Another machine may have taken its place. If not, ask for a new code, unlink this hub and link it again.',
  },
  roleWrong: {
    evidence: 'The centre expects this hub under another user of the database.',
    fix: 'Ask for the address with the user that was made for this hub; unlink it and link it again with that.',
  },
  revoked: {
    evidence: 'The centre has shut this hub out.',
    fix: 'If that was a mistake, ask for a new code, unlink this hub and link it again.',
  },
  fenced: {
    evidence: 'Another machine goes on as this hub, or this one was restored from an older backup.',
    fix: 'Switch off the machine that is not to go on. If this is the one that stays, choose "Go on here" on its Sync page.',
  },
  machineChanged: {
    evidence: 'This store was copied to another machine.',
    fix: 'If the old machine is gone for good, choose "Go on here" on the Sync page; if it still runs, stop one of the two.',
  },
  hubTooNew: {
    evidence: 'This hub is newer than the tables of the centre.',
    fix: 'Let whoever runs the centre bring it up to date (`makrcave-hub central migrate`). Changes wait here until then.',
  },
  hubTooOld: {
    evidence: 'This hub is older than the tables of the centre.',
    fix: 'Update this hub. What happens here still goes up; changes from elsewhere wait until then.',
  },
  internal: {
    evidence: 'Something broke in this hub.',
    fix: 'It is tried again by itself. If it stays, look for "sync" in the log of the hub.',
  },
};

/** Returns the name that people use for the rows of a table. */
export const subjectOf = (tables: Registrations, table: string): string =>
  tables[table]?.called ?? table.replaceAll('_', ' ');

const fields: Readonly<Record<string, string>> = { email: 'e-mail', time_zone: 'time zone', url: 'address' };

/** A column in words: `valid_until_ms` -> `valid until`. */
export const fieldOf = (column: string): string =>
  fields[column] ?? column.replace(/_(ms|minor|id)$/, '').replaceAll('_', ' ');

/** Returns the permission needed to choose a value of such a row: the one to write it. */
export const managerOf = (tables: Registrations, table: string): PermissionName =>
  tables[table]?.managedBy ?? 'system.manage';
