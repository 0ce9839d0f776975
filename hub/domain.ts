import type { z } from 'zod';
import type { Authenticator } from './http/endpoint/auth.ts';
import type { Endpoint } from './http/endpoint/endpoint.ts';
import type { RawEndpoint } from './http/endpoint/raw-endpoint.ts';
import type { DescribedWebhook } from './http/openapi/webhooks.ts';
import type { PermissionCatalog } from './kernel/permission-catalog.ts';
import type { AuditWord, PermissionSpec, ProblemSpec, TopicSpec } from './kernel/vocabulary.ts';
import type { Chore } from './platform/chores.ts';
import type { Clock } from './platform/clock/clock.ts';
import type { HealthPart } from './platform/health/health-part.ts';
import type { Logger } from './platform/log.ts';
import type { Announce, AnnounceIn, AnnouncementQueue } from './store/announce.ts';
import type { Reader, Store, Transaction } from './store/store.ts';
import type { Registrations } from './store/table-registry.ts';

/** Everything that the hub knows of a domain. Data first; `open` is the only thing that runs. */
export interface Domain<Running extends RunningDomain = RunningDomain> {
  readonly name: string;
  /** Its tables, with the noun and the label of a row for Sync. */
  readonly tables: Registrations;
  readonly permissions: Readonly<Record<string, PermissionSpec>>;
  readonly topics: Readonly<Record<string, TopicSpec>>;
  /** Status and texts of its own refusal codes. */
  readonly problems: Readonly<Record<string, ProblemSpec>>;
  /** Tags of the API, with their descriptions for OpenAPI. */
  readonly tags: Readonly<Record<string, string>>;
  /** Words of its actions in the audit log: `'hold.place': 'Hold placed'`. */
  readonly auditWords?: Readonly<Record<string, AuditWord>>;
  /** The shape of the key of hub.yaml that has the domain's name. */
  readonly config?: z.ZodType;
  open(core: Core): Running | Promise<Running>;
}

/** A domain of a hub that runs. */
export interface RunningDomain {
  readonly endpoints: readonly Endpoint[];
  /** Answers that are no JSON: streams, files, text for other programs. */
  readonly rawEndpoints?: readonly RawEndpoint[];
  readonly chores?: readonly Chore[];
  readonly health?: readonly HealthPart[];
  /** Signals of lower domains, heard in their transaction. */
  readonly hears?: readonly Hearing[];
  /** Answers to questions of lower domains. */
  readonly answers?: readonly Answering[];
  /** By table: updates data derived from rows that were written past the workflows, in that transaction. */
  readonly afterReplication?: Readonly<
    Record<string, (tx: Transaction, ids: readonly string[]) => Promise<void>>
  >;
  /** Authenticates callers. Exactly one domain has it. */
  readonly authenticator?: Authenticator;
  /** Queues lasting announcements. At most one domain has it. */
  readonly announcements?: AnnouncementQueue;
  /** Messages that it sends to other programs, for OpenAPI. */
  readonly sends?: readonly DescribedWebhook[];
  /** Brings the store up to date at every start, in list order, before anybody is served. */
  start?(): Promise<void>;
  /** Starts serving doors, devices and remote programs, in list order; not while only the console is served. */
  serve?(): Promise<void>;
  /** Rebuilds data that is not replicated, after a restore from the centre. */
  afterRestore?(): Promise<RestoredRows | null>;
  /** Runs in the reverse of list order. */
  close?(): Promise<void>;
}

/** Result of a restore for one domain, in words for the person who waits for it. */
export interface RestoredRows {
  /** Restored data: `12 members`. */
  readonly restored: string;
  /** Lost data and how to recover; null when nothing was lost. */
  readonly lost: string | null;
}

/** Dependencies of a domain. Narrow it: a function takes the few members that it uses. */
export interface Core {
  readonly store: Store;
  readonly clock: Clock;
  /** A UUIDv7. */
  readonly newId: () => string;
  /** The domain's own. */
  readonly log: Logger;
  /** Tells the domains above, in the same transaction; awaits them in list order. */
  readonly raise: <T>(tx: Transaction, signal: Signal<T>, fact: T) => Promise<void>;
  /** Asks every domain above that has something to say; their answers in list order. */
  readonly askAll: <Asked, Answer>(
    reader: Reader,
    question: Question<Asked, Answer>,
    asked: Asked,
  ) => Promise<readonly Answer[]>;
  /** Asks the one domain above that knows. */
  readonly ask: <Asked, Answer>(
    reader: Reader,
    question: Question<Asked, Answer>,
    asked: Asked,
  ) => Promise<Answer>;
  readonly announce: Announce;
  readonly announceIn: AnnounceIn;
  readonly announcements: AnnouncementQueue;
  /** Rechecks the session of every live connection: rights or sessions have changed. */
  readonly recheckSessions: () => void;
  /** Updates data derived from rows of a table that were written past the workflows. */
  readonly afterReplication: (tx: Transaction, table: string, ids: readonly string[]) => Promise<void>;
  /** Declarations of all domains, joined. */
  readonly catalog: Catalog;
  /** Health parts of the hub, with those of the domains open by then. */
  readonly healthParts: () => readonly HealthPart[];
  /** The value of the domain's key in hub.yaml, by its own schema. */
  readonly config: <S extends z.ZodType>(schema: S) => z.output<S>;
  /** Returns a secret of 32 bytes, generated at the first start, by the name of its file. */
  readonly secret: (name: string) => Promise<Uint8Array>;
  /** The folder in which both processes keep their state. */
  readonly stateDir: string;
  readonly ports: Ports;
}

/**
 * Ways to the outside that a domain does not open by itself: brokers, other processes. Open: a domain adds its own by
 * declaration merging.
 */
export interface Ports {}

/** Joins the declarations of all domains. */
export interface Catalog {
  readonly tables: Registrations;
  readonly permissions: PermissionCatalog;
  readonly topics: Readonly<Record<string, TopicSpec>>;
  readonly problems: Readonly<Record<string, ProblemSpec>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly auditWords: Readonly<Record<string, AuditWord>>;
}

/** A typed key, no bus, no state: a fact that a domain states in a transaction and domains above act upon in the same one. */
export class Signal<T> {
  readonly name: string;
  declare readonly fact: T;

  constructor(name: string) {
    this.name = name;
  }
}

/** Acts upon a signal, in the transaction that raised it. */
export interface Hearing<T = unknown> {
  readonly signal: Signal<T>;
  run(tx: Transaction, fact: T): Promise<void>;
}

/** Acts upon a signal in the transaction that raises it. */
export const hear = <T>(signal: Signal<T>, run: (tx: Transaction, fact: T) => Promise<void>): Hearing<T> => ({
  signal,
  run,
});

/** A typed key, like `Signal`: a domain asks about data of the domains above it. */
export class Question<Asked, Answer> {
  readonly name: string;
  declare readonly asked: Asked;
  declare readonly answer: Answer;

  constructor(name: string) {
    this.name = name;
  }
}

/** Answers a question of a lower domain. */
export interface Answering<Asked = unknown, Answer = unknown> {
  readonly question: Question<Asked, Answer>;
  run(reader: Reader, asked: Asked): Promise<Answer>;
}

/** Answers a question of a lower domain. */
export const answer = <Asked, Answer>(
  question: Question<Asked, Answer>,
  run: (reader: Reader, asked: Asked) => Promise<Answer>,
): Answering<Asked, Answer> => ({ question, run });
