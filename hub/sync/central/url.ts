import { Fault } from '#hub/kernel/result.ts';

/** Where the central database is and who we are there, from a `postgres://` address. */
export interface CentralAddress {
  /** A name, an IP address without brackets, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Null where the address has none. */
  readonly password: string | null;
  readonly database: string;
  /** The server's `options` of a session, as some providers want them to find the database. */
  readonly options: string | null;
  /** Binds the login to the TLS channel where the server offers it (SCRAM-SHA-256-PLUS). */
  readonly bindsChannel: boolean;
  /** False only within this machine. */
  readonly tls: boolean;
}

const defaultPort = 5432;
const loopbackHosts: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);
/** libpq's; whatever is not `disable` verifies certificate and name here. */
const sslModes: ReadonlySet<string> = new Set([
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
]);
const knownParameters: ReadonlySet<string> = new Set(['sslmode', 'options', 'channel_binding']);

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...` (RFC 3986; percent-encoded parts), also with
 * `options` and `channel_binding`. The folder of a Unix socket is a host too: `%2Frun%2Fpostgresql`. With
 * `hasAuthority` a certificate authority is given, so TLS is meant within this machine too. Without TLS only this
 * machine can be reached, whatever `sslmode` says.
 * Faults: `centralUrl`, `centralTlsRequired`. No message quotes the password.
 */
export function readCentralUrl(text: string, hasAuthority: boolean): CentralAddress {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:'))
    throw urlFault('it must look like postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full');
  for (const name of url.searchParams.keys())
    if (!knownParameters.has(name))
      throw urlFault(
        name === 'sslrootcert'
          ? "sslrootcert is not read here: give the certificate authority's file to the hub itself"
          : `the parameter ${name} is not known; known are ${[...knownParameters].join(', ')}`,
      );
  const host = decode(url.hostname, 'host').replace(/^\[(.*)\]$/, '$1');
  if (host === '') throw urlFault('it names no host: postgres://USER:PASSWORD@HOST/DATABASE');
  const user = decode(url.username, 'user');
  if (user === '') throw urlFault('it names no user: postgres://USER:PASSWORD@HOST/DATABASE');
  const password = decode(url.password, 'password');
  return {
    host,
    port: url.port === '' ? defaultPort : Number(url.port),
    user,
    password: password === '' ? null : password,
    database: decode(url.pathname.slice(1), 'database') || user,
    options: url.searchParams.get('options'),
    bindsChannel: ['prefer', 'require'].includes(url.searchParams.get('channel_binding') ?? ''),
    tls: decideTls(host, url.searchParams.get('sslmode'), hasAuthority),
  };
}

function decideTls(host: string, sslMode: string | null, hasAuthority: boolean): boolean {
  if (sslMode !== null && !sslModes.has(sslMode))
    throw urlFault(`sslmode=${sslMode} is not known; use sslmode=verify-full`);
  // TLS is not spoken over Unix sockets.
  if (host.startsWith('/')) return false;
  const isHere = loopbackHosts.has(host);
  if (sslMode === 'disable' && !isHere)
    throw new Fault(
      'centralTlsRequired',
      `the central database at ${host} would be reached without encryption: leave sslmode=disable out of its ` +
        'address, and where its certificate is not from a public authority, give the authority that signed it',
    );
  return sslMode === 'disable' ? false : !isHere || hasAuthority || sslMode !== null;
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw urlFault(`its ${part} has a % that begins no encoded character: write %25`);
  }
}

const urlFault = (problem: string): Fault =>
  new Fault('centralUrl', `the address of the central database cannot be used: ${problem}`);
