import { z } from 'zod';
import type {
  Answering,
  Catalog,
  Core,
  Domain,
  Hearing,
  Question,
  RestoredRows,
  RunningDomain,
  Signal,
} from './domain.ts';
import type { Authenticator } from './http/endpoint/auth.ts';
import { PermissionCatalog } from './kernel/permission-catalog.ts';
import { assert, Fault } from './kernel/result.ts';
import type { HealthPart } from './platform/health/health-part.ts';
import type { Announce, AnnouncementQueue } from './store/announce.ts';
import type { Registrations } from './store/table-registry.ts';

/** Dependencies of the domains before any of them is open. */
export interface DomainGround
  extends Pick<Core, 'store' | 'clock' | 'newId' | 'log' | 'secret' | 'stateDir' | 'ports'> {
  /** To live connections. */
  readonly announce: Announce;
  readonly recheckSessions: () => void;
  /** The whole configuration, by the names of domains. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Parts of the hub below the domains. */
  readonly healthParts?: readonly HealthPart[];
}

interface Opened<Running extends RunningDomain = RunningDomain> {
  readonly domain: Domain<Running>;
  readonly running: Running;
}

/** Narrows the type: a running part belongs to the domain that opened it. */
const isOf = <Running extends RunningDomain>(
  opened: Opened,
  domain: Domain<Running>,
): opened is Opened<Running> => opened.domain === domain;
const isHearingOf = <T>(hearing: Hearing, signal: Signal<T>): hearing is Hearing<T> =>
  hearing.signal === signal;
const isAnswerTo = <Asked, Answer>(
  answering: Answering,
  question: Question<Asked, Answer>,
): answering is Answering<Asked, Answer> => answering.question === question;

/** Joins tables of names; a name that two domains claim is the Fault `domainsClash`. */
function join<T>(
  domains: readonly Domain[],
  what: string,
  tableOf: (domain: Domain) => Readonly<Record<string, T>> | undefined,
): Readonly<Record<string, T>> {
  const joined: Record<string, T> = {};
  for (const domain of domains)
    for (const [name, value] of Object.entries(tableOf(domain) ?? {})) {
      if (Object.hasOwn(joined, name))
        throw new Fault(
          'domainsClash',
          `the ${what} ${name} is claimed by two domains, one is ${domain.name}`,
        );
      joined[name] = value;
    }
  return joined;
}

/** The tables of all domains, for whoever opens the store. */
export const tablesOf = (domains: readonly Domain[]): Registrations =>
  join(domains, 'table', ({ tables }) => tables);

/** All that the domains declare. Throws the Fault `domainsClash` when two of them claim one name. */
export const catalogOf = (domains: readonly Domain[]): Catalog => ({
  tables: tablesOf(domains),
  permissions: new PermissionCatalog(join(domains, 'permission', ({ permissions }) => permissions)),
  topics: join(domains, 'topic', ({ topics }) => topics),
  problems: join(domains, 'refusal code', ({ problems }) => problems),
  tags: join(domains, 'tag', ({ tags }) => tags),
  auditWords: join(domains, 'audit action', ({ auditWords }) => auditWords),
});

/** The keys of hub.yaml that belong to domains. */
export const configShapesOf = (domains: readonly Domain[]): Readonly<Record<string, z.ZodType>> =>
  Object.fromEntries(domains.flatMap(({ name, config }) => (config === undefined ? [] : [[name, config]])));

/** The domains of a hub that runs, in list order. */
export class RunningDomains {
  readonly #opened: readonly Opened[];
  readonly catalog: Catalog;

  constructor(opened: readonly Opened[], catalog: Catalog) {
    this.#opened = opened;
    this.catalog = catalog;
  }

  /** Returns the running part of a domain. A domain that is not in the list is a bug. */
  of<Running extends RunningDomain>(domain: Domain<Running>): Running {
    for (const opened of this.#opened) if (isOf(opened, domain)) return opened.running;
    throw new Error(`assertion failed: the domain ${domain.name} is not open`);
  }

  /** Members of all domains, such as their endpoints. */
  collect<T>(of: (running: RunningDomain) => readonly T[] | undefined): readonly T[] {
    return this.#opened.flatMap(({ running }) => of(running) ?? []);
  }

  /** Authenticates callers; set by exactly one domain. */
  get authenticator(): Authenticator {
    const [found, ...more] = this.collect(({ authenticator }) =>
      authenticator === undefined ? [] : [authenticator],
    );
    assert(found !== undefined && more.length === 0, 'exactly one domain knows who is asking');
    return found;
  }

  async start(): Promise<void> {
    for (const { running } of this.#opened) await running.start?.();
  }

  async serve(): Promise<void> {
    for (const { running } of this.#opened) await running.serve?.();
  }

  async afterRestore(): Promise<readonly RestoredRows[]> {
    const all: RestoredRows[] = [];
    for (const { running } of this.#opened) {
      const rows = await running.afterRestore?.();
      if (rows !== undefined && rows !== null) all.push(rows);
    }
    return all;
  }

  async close(): Promise<void> {
    for (const { running } of this.#opened.toReversed()) await running.close?.();
  }
}

/** Announcements that nobody elsewhere waits for. */
const nobodyWaits: AnnouncementQueue = { wants: () => false, enqueue: async () => undefined };

/**
 * Opens the domains in list order. A domain gets the same core as all others but for its name, so whatever one of them
 * raises, asks or announces reaches those that are open by then; nothing is raised before all are.
 */
export async function openDomains(domains: readonly Domain[], ground: DomainGround): Promise<RunningDomains> {
  const catalog = catalogOf(domains);
  const opened: Opened[] = [];
  const running = new RunningDomains(opened, catalog);
  const queueOf = (): AnnouncementQueue =>
    running.collect(({ announcements }) => (announcements === undefined ? [] : [announcements]))[0] ??
    nobodyWaits;
  const announcements: AnnouncementQueue = {
    wants: (topic) => queueOf().wants(topic),
    enqueue: (tx, announced) => queueOf().enqueue(tx, announced),
  };
  const askAll: Core['askAll'] = async (reader, question, asked) => {
    const found = [];
    for (const answering of running.collect(({ answers }) => answers))
      if (isAnswerTo(answering, question)) found.push(await answering.run(reader, asked));
    return found;
  };
  const shared: Omit<Core, 'log' | 'config'> = {
    ...ground,
    catalog,
    announcements,
    async raise(tx, signal, fact) {
      for (const hearing of running.collect(({ hears }) => hears))
        if (isHearingOf(hearing, signal)) await hearing.run(tx, fact);
    },
    askAll,
    async ask(reader, question, asked) {
      const [found, ...more] = await askAll(reader, question, asked);
      assert(found !== undefined && more.length === 0, `exactly one domain answers ${question.name}`);
      return found;
    },
    async announceIn(tx, announcement) {
      await queueOf().enqueue(tx, [announcement]);
      tx.afterCommit(() => ground.announce(announcement));
    },
    async afterReplication(tx, table, ids) {
      if (ids.length === 0) return;
      for (const followed of running.collect(({ afterReplication }) => [afterReplication?.[table]]))
        await followed?.(tx, ids);
    },
    healthParts: () => [...(ground.healthParts ?? []), ...running.collect(({ health }) => health)],
  };
  for (const domain of domains) {
    const log = ground.log.child({ subsystem: domain.name });
    const config: Core['config'] = (schema) => schema.parse(ground.config[domain.name] ?? {});
    opened.push({ domain, running: await domain.open({ ...shared, log, config }) });
  }
  return running;
}
