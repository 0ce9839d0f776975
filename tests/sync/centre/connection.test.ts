import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type KeyAndCertificate,
  makeAuthority,
  makeServerCertificate,
} from '#hub/platform/tls/certificate.ts';
import { connectCentral } from '#hub/sync/central/connection.ts';
import { CentralFault } from '#hub/sync/central/faults.ts';
import { freePort, type PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { until } from '#tests/_support/until.ts';
import { connectForTest, faultOf, startWithTls } from './fixture.ts';

const dayMs = 86_400_000;
const nowMs = Date.now();

const authorityAt = (atMs: number): KeyAndCertificate =>
  makeAuthority({ commonName: 'Central', dnsNames: ['localhost', 'central.test'], nowMs: atMs });
/** For 127.0.0.1 and central.test, not for localhost. */
const certificateFrom = (authority: KeyAndCertificate, atMs: number): KeyAndCertificate =>
  makeServerCertificate({
    authority,
    authorityName: 'Central',
    dnsNames: ['central.test'],
    addresses: ['127.0.0.1'],
    nowMs: atMs,
  });

const authority = authorityAt(nowMs);

const withHost = (url: string, host: string): string => url.replace('@127.0.0.1:', `@${host}:`);
const withPassword = (url: string, password: string): string => url.replace(/:[^:@]+@/, `:${password}@`);
const passwordOf = (url: string): string => new URL(url).password;

const connecting = (url: string, caPem?: string): Promise<CentralFault> =>
  centralFaultOf(connectForTest(url, caPem === undefined ? {} : { caPem }));

async function centralFaultOf(promise: Promise<unknown>): Promise<CentralFault> {
  const fault = await faultOf(promise);
  if (!(fault instanceof CentralFault)) throw fault;
  return fault;
}

/** A TCP server on 127.0.0.1 until the test ends, and its port. */
async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

describe('a connection to the central database', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await usePostgres({ version: 18 });
  });
  afterAll(() => server.stop());

  it('says who it is, and reads int8 as a number where that is exact', async () => {
    const connection = await connectForTest(server.url);
    const { rows, rowCount } = await connection.query(
      "select current_setting('application_name') as name, 9007199254740991 as most, $1::int8 as more, " +
        'array[[1, 9007199254740993], [null, 2]]::int8[] as list, 0.5::float8 as half',
      ['9007199254740993'],
    );
    expect(rows).toEqual([
      {
        name: 'makrcave-hub',
        most: 9_007_199_254_740_991,
        more: 9_007_199_254_740_993n,
        list: [
          [1, 9_007_199_254_740_993n],
          [null, 2],
        ],
        half: 0.5,
      },
    ]);
    expect(rowCount).toBe(1);
  });

  it('reaches a server of this machine through its Unix socket', async () => {
    const { username, password } = new URL(server.url);
    const folder = encodeURIComponent(server.socketFolder);
    const connection = await connectForTest(
      `postgres://${username}:${password}@${folder}:${server.port}/postgres`,
    );
    const { rows } = await connection.query('select inet_server_addr() is null as local');
    expect(rows).toEqual([{ local: true }]);
  });

  it('fails with centralLoginFailed for a wrong password, none, and an unknown user', async () => {
    const wrong = await connecting(withPassword(server.url, 'gue%25ss'));
    expect(wrong).toMatchObject({ code: 'centralLoginFailed', sqlstate: '28P01' });
    expect(inspect(wrong, { depth: 9 })).not.toContain('gue%ss');
    const none = await connecting(server.url.replace(/:[^:@]+@/, '@'));
    expect(none.code).toBe('centralLoginFailed');
    expect(none.message).toContain('its address has none');
    const unknown = await connecting(server.url.replace('//postgres', '//nobody-here'));
    expect(unknown).toMatchObject({ code: 'centralLoginFailed', sqlstate: '28P01' });
  });

  it('fails with centralUnreachable where nobody listens or the name is not known', async () => {
    const port = await freePort();
    const refused = await connecting(`postgres://hub:s3cret@127.0.0.1:${port}/central`);
    expect(refused).toMatchObject({ code: 'centralUnreachable', sqlstate: null });
    expect(refused.message).toBe(
      `the central database at 127.0.0.1:${port} cannot be reached: nobody listens there`,
    );
    // RFC 6761: .invalid is never a name.
    const nameless = await connecting('postgres://hub:s3cret@central.invalid/central');
    expect(nameless.code).toBe('centralUnreachable');
    expect(nameless.message).toMatch(/central\.invalid:5432 cannot be reached: its name/);
    const socketless = await connecting('postgres://hub:s3cret@%2Fnowhere/central');
    expect(socketless.message).toMatch(/there is no such socket/);
    for (const fault of [refused, nameless, socketless])
      expect(inspect(fault, { depth: 9 })).not.toContain('s3cret');
  });

  it.each(['', '?sslmode=require'])(
    'fails with centralUnreachable when who listens says nothing in time (%s)',
    async (parameters) => {
      const port = await listen(createServer((socket) => void socket.on('error', () => undefined).resume()));
      const url = `postgres://hub:s3cret@127.0.0.1:${port}/central${parameters}`;
      const fault = await centralFaultOf(connectForTest(url, { connectTimeoutMs: 50 }));
      expect(fault.code).toBe('centralUnreachable');
      expect(fault.message).toContain('no answer within 50 ms');
    },
  );

  it('fails with centralUnreachable when who listens hangs up or is no PostgreSQL', async () => {
    const hangsUp = await listen(createServer((socket) => void socket.end()));
    expect((await connecting(`postgres://hub:x@127.0.0.1:${hangsUp}/central`)).code).toBe(
      'centralUnreachable',
    );
    const web = await listen(createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    for (const parameters of ['', '?sslmode=require'])
      expect((await connecting(`postgres://hub:x@127.0.0.1:${web}/central${parameters}`)).code).toBe(
        'centralUnreachable',
      );
  });

  it('passes on what else the server answers, with its SQLSTATE and without the rows that it quotes', async () => {
    const missing = await connecting(server.url.replace(/\/postgres$/, '/missing'));
    expect(missing).toMatchObject({ code: 'centralError', sqlstate: '3D000' });
    const connection = await connectForTest((await server.createDatabase()).url);
    await connection.query('create table member (email text unique)');
    await connection.query("insert into member values ('ada@example.org')");
    const fault = await centralFaultOf(connection.query("insert into member values ('ada@example.org')"));
    expect(fault).toMatchObject({ code: 'centralError', sqlstate: '23505' });
    expect(inspect(fault, { depth: 9 })).not.toContain('ada@');
    expect(connection.isOpen).toBe(true);
    expect((await connection.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('ends when a query takes too long, and says so to each that follows', async () => {
    const connection = await connectForTest(server.url, { queryTimeoutMs: 50 });
    const fault = await centralFaultOf(connection.query('select pg_sleep(60)'));
    expect(fault.code).toBe('centralUnreachable');
    expect(fault.message).toContain('no answer within 50 ms');
    expect(connection.isOpen).toBe(false);
    expect((await centralFaultOf(connection.query('select 1'))).code).toBe('centralUnreachable');
  });

  it('notices its end while nothing is asked, and while something is', async () => {
    const admin = await connectForTest(server.url);
    const connect = async () => {
      const connection = await connectForTest(server.url);
      const { rows } = await connection.query('select pg_backend_pid() as pid');
      return { connection, pid: (rows as { pid: number }[])[0]?.pid };
    };
    const idle = await connect();
    await admin.query('select pg_terminate_backend($1)', [idle.pid]);
    await until('the end is noticed', () => !idle.connection.isOpen);
    expect((await centralFaultOf(idle.connection.query('select 1'))).code).toBe('centralUnreachable');
    const busy = await connect();
    const asked = centralFaultOf(busy.connection.query('select pg_sleep(60)'));
    await admin.query('select pg_terminate_backend($1)', [busy.pid]);
    expect(await asked).toMatchObject({ code: 'centralUnreachable', sqlstate: '57P01' });
  });

  it('is closed once and for all, also twice', async () => {
    const connection = await connectForTest(server.url);
    await connection.close();
    await connection.close();
    expect(connection.isOpen).toBe(false);
    expect((await centralFaultOf(connection.query('select 1'))).message).toContain('was closed here');
  });

  it('needs TLS when it is asked for, and says when the server has none', async () => {
    for (const fault of [
      await connecting(`${server.url}?sslmode=require`),
      await connecting(server.url, authority.cert),
    ]) {
      expect(fault.code).toBe('centralTlsFailed');
      expect(fault.message).toContain('offers no TLS');
    }
  });
});

describe('TLS to the central database', () => {
  it('is spoken when the certificate is from the authority and for the name', async () => {
    const server = await startWithTls(certificateFrom(authority, nowMs));
    onTestFinished(() => server.stop());
    for (const parameters of ['', '?sslmode=prefer', '?sslmode=verify-full&channel_binding=require']) {
      const connection = await connectForTest(`${server.url}${parameters}`, { caPem: authority.cert });
      const { rows } = await connection.query(
        'select ssl, version from pg_stat_ssl where pid = pg_backend_pid()',
      );
      expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
    }
    const plain = await connectForTest(`${server.url}?sslmode=disable`);
    const { rows } = await plain.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: false }]);

    const byAnother = await connecting(server.url, authorityAt(nowMs).cert);
    expect(byAnother.code).toBe('centralTlsFailed');
    expect(byAnother.message).toContain('not from an authority that is trusted here');
    const bySystem = await connecting(`${server.url}?sslmode=require`);
    expect(bySystem.code).toBe('centralTlsFailed');
    expect(bySystem.message).toContain('not from an authority that is trusted here');

    const otherName = await connecting(withHost(server.url, 'localhost'), authority.cert);
    expect(otherName.code).toBe('centralTlsFailed');
    expect(otherName.message).toContain('for other names');
    for (const fault of [byAnother, bySystem, otherName])
      expect(inspect(fault, { depth: 9 })).not.toContain(passwordOf(server.url));

    const wrongPassword = await connecting(withPassword(server.url, 'guess'), authority.cert);
    expect(wrongPassword).toMatchObject({ code: 'centralLoginFailed', sqlstate: '28P01' });
    const slow = await connectForTest(server.url, { caPem: authority.cert, queryTimeoutMs: 50 });
    expect((await centralFaultOf(slow.query('select pg_sleep(60)'))).message).toContain(
      'no answer within 50 ms',
    );
  });

  it.each([
    ['has expired', nowMs - 500 * dayMs, 'has expired'],
    ['is not valid yet', nowMs + 30 * dayMs, 'not valid yet'],
  ])('is refused when the certificate %s', async (_what, atMs, words) => {
    const old = authorityAt(nowMs - 600 * dayMs);
    const server = await startWithTls(certificateFrom(old, atMs));
    onTestFinished(() => server.stop());
    const fault = await connecting(server.url, old.cert);
    expect(fault.code).toBe('centralTlsFailed');
    expect(fault.message).toContain(words);
  });
});

describe('the address of the central database', () => {
  it.each([
    'postgres://hub:s3cret@db.example.org/central?sslmode=disable',
    'postgres://hub:s3cret@10.0.0.7/central?sslmode=disable',
    'postgres://hub:s3cret@127.0.0.1.example.org/central?sslmode=disable',
  ])('is refused when it asks for plain text to another machine: %s', async (url) => {
    const fault = await faultOf(connectForTest(url));
    expect(fault.code).toBe('centralTlsRequired');
    expect(fault.message).toMatch(/without encryption: leave sslmode=disable out/);
    expect(inspect(fault)).not.toContain('s3cret');
  });

  it.each([
    ['mysql://hub:s3cret@db.example.org/central', /postgres:\/\/USER/],
    ['s3cret', /postgres:\/\/USER/],
    ['postgres://hub:s3cret#1@db.example.org/central', /postgres:\/\/USER/],
    ['postgres://hub:s3cret%@db.example.org/central', /write %25/],
    ['postgres://db.example.org/central', /names no user/],
    ['postgres:///central', /names no host/],
    ['postgres://hub:s3cret@db.example.org/central?sslmode=no-verify', /sslmode=no-verify is not known/],
    ['postgres://hub:s3cret@db.example.org/central?ssl=0', /the parameter ssl is not known/],
    ['postgres://hub:s3cret@db.example.org/central?host=127.0.0.1', /the parameter host is not known/],
    ['postgres://hub:s3cret@db.example.org/central?sslrootcert=/ca.pem', /sslrootcert is not read/],
  ])('is refused when it cannot be meant: %s', async (url, message) => {
    const fault = await faultOf(connectForTest(url));
    expect(fault.code).toBe('centralUrl');
    expect(fault.message).toMatch(message);
    expect(inspect(fault)).not.toContain('s3cret');
  });

  it('may have the parts of an IPv6 address and no database of its own', async () => {
    const port = await freePort();
    const fault = await faultOf(
      connectCentral({
        url: `postgresql://hub:x@[::1]:${port}`,
        connectTimeoutMs: 5_000,
        queryTimeoutMs: null,
      }),
    );
    expect(fault.code).toBe('centralUnreachable');
    expect(fault.message).toContain(`at ::1:${port} `);
  });
});
