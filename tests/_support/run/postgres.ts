import { randomBytes } from 'node:crypto';
import { chmod, chown, copyFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Client, type QueryResult } from 'pg';
import { createDatabase, type PostgresServer, type StartPostgresOptions } from '../postgres.ts';
import { until } from '../until.ts';
import { askShared } from './shared.ts';

/**
 * Takes this worker's server of a version, without the databases and roles of the file before. Its `stop` leaves it to the
 * next file: a test that kills its server, or measures it, starts one of its own (`startPostgres`).
 */
export async function usePostgres({
  version,
  tls,
}: Pick<StartPostgresOptions, 'version' | 'tls'>): Promise<PostgresServer> {
  const address = await askShared(`postgres-${version}`);
  await empty(address.url);
  await setTls(address.url, tls === undefined ? undefined : await give(tls, address.socketFolder));
  return { ...address, createDatabase: () => createDatabase(address.url), stop: async () => undefined };
}

async function empty(url: string): Promise<void> {
  const databases = await ask(url, [
    `select format('drop database %I with (force)', datname) as drop
     from pg_database where not datistemplate and datname <> 'postgres'`,
  ]);
  const roles = await ask(url, [
    String.raw`select format('drop role %I', rolname) as drop
               from pg_roles where rolname <> current_user and rolname not like 'pg\_%'`,
  ]);
  await ask(
    url,
    [...databases.rows, ...roles.rows].map((row: { drop: string }) => row.drop),
  );
}

type Pair = NonNullable<StartPostgresOptions['tls']>;

/** Copies key and certificate to where the server's user reads them, under names of their own. */
async function give({ cert, key }: Pair, folder: string): Promise<Pair> {
  const { uid, gid } = await stat(folder);
  const name = randomBytes(6).toString('hex');
  const pair = { cert: path.join(folder, `${name}-cert.pem`), key: path.join(folder, `${name}-key.pem`) };
  for (const [from, to] of [
    [cert, pair.cert],
    [key, pair.key],
  ] as const) {
    await copyFile(from, to);
    await chmod(to, 0o600);
    await chown(to, uid, gid);
  }
  return pair;
}

/** Switches TLS on with this certificate, or off; new connections have it so when this resolves. */
async function setTls(url: string, tls: Pair | undefined): Promise<void> {
  const wanted = { ssl: tls === undefined ? 'off' : 'on', cert: tls?.cert ?? 'server.crt' };
  const hasIt = async (): Promise<boolean> => {
    const { rows } = await ask(url, [
      "select current_setting('ssl') as ssl, current_setting('ssl_cert_file') as cert",
    ]);
    return isDeepStrictEqual({ ...(rows[0] as object) }, wanted);
  };
  if (await hasIt()) return;
  await ask(url, [
    'alter system reset all',
    ...(tls === undefined
      ? []
      : [
          `alter system set ssl_cert_file = '${tls.cert}'`,
          `alter system set ssl_key_file = '${tls.key}'`,
          'alter system set ssl = on',
        ]),
    'select pg_reload_conf()',
  ]);
  await until('new connections have TLS as it was set', hasIt);
}

/** Runs statements on a connection of their own; the result of the last. */
async function ask(url: string, statements: readonly string[]): Promise<QueryResult> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let result = await client.query('select');
    for (const statement of statements) result = await client.query(statement);
    return result;
  } finally {
    await client.end();
  }
}
