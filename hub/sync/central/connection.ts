import { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Client, type ClientConfig, types } from 'pg';
import { assert } from '#hub/kernel/result.ts';
import { CentralFault, toCentralFault, unreachable } from './faults.ts';
import { type CentralAddress, readCentralUrl } from './url.ts';

export interface CentralRows {
  readonly rows: readonly unknown[];
  /** Rows read or changed; null for statements that have no count. */
  readonly rowCount: number | null;
}

/** The part of a Postgres connection that we use; pg's own `Client` satisfies it. */
export interface CentralClient {
  /** One statement with `$1`, `$2`...; or several separated by `;` without values, of which the last answers. */
  query(text: string, values?: unknown[]): Promise<CentralRows>;
}

/**
 * An open connection to the central database. One query at a time; each is unnamed, so that poolers can be in between.
 * `int8` is read as a number where that is exact, else as a bigint. A query fails with a `CentralFault`.
 */
export interface CentralConnection extends CentralClient {
  /** False once it was closed or lost: connect again. */
  readonly isOpen: boolean;
  /** Never rejects; does not wait for a server that is silent. */
  close(): Promise<void>;
}

export interface ConnectCentralOptions {
  /** See `readCentralUrl`. */
  readonly url: string;
  /** The only authorities (PEM) that the server's certificate may come from; else those of this system. */
  readonly caPem?: string;
  /** For names, TCP, TLS and login together. */
  readonly connectTimeoutMs: number;
  /**
   * A query that takes longer ends the connection, as it is unknown whether it was done; `centralUnreachable`. Null: no
   * limit, for migrations.
   */
  readonly queryTimeoutMs: number | null;
}

/** `int8` and its array. */
const int8Types: ReadonlySet<number> = new Set([20, 1016]);
/** A peer that is gone without a word is noticed after this and some probes of the kernel's. */
const keepAliveDelayMs = 10_000;
const closeTimeoutMs = 2_000;

const readInt8 = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(readInt8);
  if (typeof value !== 'string') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
};

const typeParsers: NonNullable<ClientConfig['types']> = {
  getTypeParser: (oid, format) => {
    const parse = types.getTypeParser(oid, format);
    return int8Types.has(oid) ? (text: string) => readInt8(parse(text)) : parse;
  },
};

/**
 * Connects and logs in. The server's certificate and name are verified; without TLS only this machine is reached. No
 * message holds the password. Faults: those of `readCentralUrl` and `CentralFault`.
 */
export async function connectCentral(options: ConnectCentralOptions): Promise<CentralConnection> {
  const address = readCentralUrl(options.url, options.caPem !== undefined);
  const place = address.host.startsWith('/') ? address.host : `${address.host}:${address.port}`;
  const socket = new Socket();
  const client = new Client(clientConfig(address, options.caPem, socket, place));
  const connection = new OpenConnection(client, socket, place, options.queryTimeoutMs);
  let problem: CentralFault | null = null;
  const abandon = (fault: CentralFault): void => {
    problem ??= fault;
    socket.destroy();
  };
  const timer = setTimeout(
    () => abandon(unreachable(place, `no answer within ${options.connectTimeoutMs} ms`)),
    options.connectTimeoutMs,
  );
  if (address.tls)
    socket.once('data', (bytes: Buffer) => {
      // The answer to SSLRequest is one byte (PostgreSQL 55.2.11): S, or N for "not here".
      if (bytes[0] === 0x4e)
        abandon(
          new CentralFault(
            'centralTlsFailed',
            `the central database at ${place} offers no TLS: switch it on there (ssl = on)`,
          ),
        );
    });
  try {
    await client.connect();
    return connection;
  } catch (error) {
    socket.destroy();
    throw problem ?? toCentralFault(error, place);
  } finally {
    clearTimeout(timer);
  }
}

function clientConfig(
  address: CentralAddress,
  caPem: string | undefined,
  socket: Socket,
  place: string,
): ClientConfig {
  const { host, port, user, password, database, options, bindsChannel, tls } = address;
  return {
    host,
    port,
    user,
    database,
    // A function, so that the driver looks for none in its environment.
    password: () => {
      if (password !== null) return password;
      throw new CentralFault(
        'centralLoginFailed',
        `the central database at ${place} asks for a password, and its address has none`,
      );
    },
    ...(options === null ? {} : { options }),
    enableChannelBinding: bindsChannel,
    ssl: tls && { ca: caPem ?? systemAuthorities(), rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    stream: () => socket,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    application_name: 'makrcave-hub',
    types: typeParsers,
  };
}

/** Those that the machine's owner trusts; those that come with Node where the machine has none. */
function systemAuthorities(): string[] {
  const ofSystem = getCACertificates('system');
  return [...new Set(ofSystem.length > 0 ? ofSystem : getCACertificates('default'))];
}

class OpenConnection implements CentralConnection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #place: string;
  readonly #queryTimeoutMs: number | null;
  #isBusy = false;
  #lost: CentralFault | null = null;

  constructor(client: Client, socket: Socket, place: string, queryTimeoutMs: number | null) {
    this.#client = client;
    this.#socket = socket;
    this.#place = place;
    this.#queryTimeoutMs = queryTimeoutMs;
    // An error that no query waits for, and the end of the connection: the next query tells.
    client.on('error', (error) => {
      this.#lost ??= toCentralFault(error, place);
    });
    client.on('end', () => {
      this.#lost ??= unreachable(place, 'the connection ended');
    });
  }

  get isOpen(): boolean {
    return this.#lost === null;
  }

  async query(text: string, values?: unknown[]): Promise<CentralRows> {
    if (this.#lost !== null) throw this.#lost;
    assert(!this.#isBusy, 'a central connection does one query at a time');
    this.#isBusy = true;
    const timer =
      this.#queryTimeoutMs === null ? null : setTimeout(() => this.#giveUp(), this.#queryTimeoutMs);
    try {
      const answer: CentralRows | readonly CentralRows[] = await this.#client.query(text, values);
      return isList(answer) ? (answer.at(-1) ?? { rows: [], rowCount: null }) : answer;
    } catch (error) {
      throw this.#lost ?? toCentralFault(error, this.#place);
    } finally {
      if (timer !== null) clearTimeout(timer);
      this.#isBusy = false;
    }
  }

  async close(): Promise<void> {
    this.#lost ??= unreachable(this.#place, 'the connection was closed here');
    const timer = setTimeout(() => this.#socket.destroy(), closeTimeoutMs);
    await this.#client.end();
    clearTimeout(timer);
  }

  #giveUp(): void {
    this.#lost ??= unreachable(this.#place, `no answer within ${this.#queryTimeoutMs} ms`);
    this.#socket.destroy();
  }
}

const isList = (answer: CentralRows | readonly CentralRows[]): answer is readonly CentralRows[] =>
  Array.isArray(answer);
