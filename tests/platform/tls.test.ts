import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkServerIdentity, connect, createServer as createTlsServer } from 'node:tls';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '#hub/platform/log.ts';
import {
  addressBytes,
  isPermittedAddress,
  makeAuthority,
  makeServerCertificate,
} from '#hub/platform/tls/certificate.ts';
import * as der from '#hub/platform/tls/der.ts';
import {
  currentAddresses,
  decideAuthority,
  openTls,
  serverNames,
  type TlsOptions,
} from '#hub/platform/tls/tls.ts';

const noon = Date.now();
const day = 86_400_000;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mc-tls-'));
});
afterEach(() => rm(folder, { recursive: true }));

const time = { nowMs: noon };
async function open(options: Partial<TlsOptions> = {}) {
  const tls = await openTls({
    directory: path.join(folder, 'tls'),
    configuredNames: [],
    clock: { nowMs: () => time.nowMs },
    log: createLog({ level: 'silent' }),
    hostname: () => 'Testbox',
    addresses: () => ['127.0.0.1', '::1', '192.168.1.20', 'fd00::17', '8.8.8.8'],
    ...options,
  });
  tls.close();
  return tls;
}
const leafOf = (tls: { current(): { cert: string } }) => new X509Certificate(tls.current().cert);

/**
 * What a client that trusts `authority` and wants `name` makes of a server with this key and certificate: `OK`, or the
 * code of its refusal. A handshake with Node's own OpenSSL, which checks the name constraints too.
 */
async function verify(
  authority: string,
  server: { key: string; cert: string },
  name: string,
): Promise<string> {
  const listener = createTlsServer(server);
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const client = connect({
    port,
    host: '127.0.0.1',
    ca: authority,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  client.once('secureConnect', () => resolve('OK'));
  client.once('error', (error: NodeJS.ErrnoException) =>
    // Node has no name for this one.
    resolve(error.code === 'UNSPECIFIED' ? error.message : String(error.code)),
  );
  const outcome = await promise;
  client.destroy();
  listener.close();
  return outcome;
}

describe('the hub’s certificates', () => {
  it('are good for the house’s names and addresses, and for no others', async () => {
    const tls = await open({ configuredNames: ['Hub.Makerspace.example'] });
    const ours = ['hub.local', 'localhost', 'testbox', 'testbox.local', 'hub.makerspace.example'];
    for (const name of [...ours, '127.0.0.1', '::1', '192.168.1.20', 'fd00::17'])
      expect(await verify(tls.authorityPem(), tls.current(), name), name).toBe('OK');
    for (const name of ['8.8.8.8', 'bank.example', 'other.local'])
      expect(await verify(tls.authorityPem(), tls.current(), name), name).toBe(
        'ERR_TLS_CERT_ALTNAME_INVALID',
      );
    expect(leafOf(tls).subjectAltName).not.toContain('8.8.8.8');
    const authority = new X509Certificate(tls.authorityPem());
    expect(authority.ca).toBe(true);
    expect(leafOf(tls).ca).toBe(false);
    expect(leafOf(tls).validToDate.getTime() - leafOf(tls).validFromDate.getTime()).toBeLessThanOrEqual(
      398 * day,
    );
  });

  it('vouch for nothing outside: the authority’s signature on another name or a public address does not count', async () => {
    const authority = makeAuthority({ commonName: 'CA', dnsNames: ['local', 'localhost'], nowMs: noon });
    const make = (dnsNames: string[], addresses: string[]) =>
      makeServerCertificate({ authority, authorityName: 'CA', dnsNames, addresses, nowMs: noon });
    expect(await verify(authority.cert, make(['hub.local'], ['10.1.2.3']), '10.1.2.3')).toBe('OK');
    const outside = [
      [['bank.example'], []],
      [['hub.local', 'bank.example'], []],
      [['hub.local'], ['8.8.8.8']],
      [['hub.local'], ['2001:db8::1']],
    ] as const;
    for (const [names, addresses] of outside)
      expect(await verify(authority.cert, make([...names], [...addresses]), names[0])).toBe(
        'permitted subtree violation',
      );
  });

  it('are kept over a restart, in private files', async () => {
    const first = await open();
    const second = await open();
    expect(second.current()).toEqual(first.current());
    const directory = path.join(folder, 'tls');
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await readdir(directory)).sort()).toEqual(['authority.json', 'server.json']);
    for (const file of await readdir(directory))
      expect((await stat(path.join(directory, file))).mode & 0o777).toBe(0o600);
  });

  it('are made again when they end or an address is new, under the same authority', async () => {
    let addresses = ['127.0.0.1'];
    const tls = await open({ addresses: () => addresses });
    const authority = tls.authorityFingerprint();
    let renewals = 0;
    tls.onRenewed(() => (renewals += 1));
    expect(await tls.refresh()).toBe(false);
    addresses = ['127.0.0.1', '10.0.0.7'];
    expect(await tls.refresh()).toBe(true);
    expect(leafOf(tls).checkIP('10.0.0.7')).toBe('10.0.0.7');
    addresses = ['127.0.0.1'];
    expect(await tls.refresh()).toBe(false);
    time.nowMs = noon + 368 * day;
    expect(await tls.refresh()).toBe(true);
    expect(leafOf(tls).validToDate.getTime()).toBeGreaterThan(time.nowMs + 300 * day);
    expect([tls.authorityFingerprint(), renewals]).toEqual([authority, 2]);
    time.nowMs = noon;
  });

  it('get another authority only for a name that the present one must not vouch for', async () => {
    const first = await open();
    const local = await open({ configuredNames: ['door.local'] });
    expect(local.authorityFingerprint()).toBe(first.authorityFingerprint());
    expect(leafOf(local).checkHost('door.local')).toBe('door.local');
    const renamed = await open({ configuredNames: ['door.local'], hostname: () => 'otherbox' });
    expect(renamed.authorityFingerprint()).toBe(first.authorityFingerprint());
    expect(leafOf(renamed).checkHost('otherbox.local')).toBe('otherbox.local');
    expect(leafOf(renamed).checkHost('otherbox')).toBeUndefined();
    const other = await open({ configuredNames: ['hub.example'] });
    expect(other.authorityFingerprint()).not.toBe(first.authorityFingerprint());
    expect(
      decideAuthority(
        { dnsNames: ['local'], notAfterMs: noon + day },
        { configured: [], hostname: 'x', addresses: [] },
        noon,
      ),
    ).toBe('ends');
  });

  it('are never replaced silently when the authority’s file is damaged; the server’s is', async () => {
    const first = await open();
    const serverFile = path.join(folder, 'tls', 'server.json');
    await writeFile(serverFile, (await readFile(serverFile, 'utf8')).slice(0, 200));
    const second = await open();
    expect(second.current().cert).not.toBe(first.current().cert);
    expect(second.authorityFingerprint()).toBe(first.authorityFingerprint());
    const authorityFile = path.join(folder, 'tls', 'authority.json');
    await writeFile(authorityFile, '{');
    await expect(open()).rejects.toMatchObject({
      code: 'tlsTorn',
      message: expect.stringContaining(authorityFile),
    });
    expect(await readFile(authorityFile, 'utf8')).toBe('{');
  });
});

describe('names and addresses', () => {
  it('leave out a machine name that is no DNS name', () => {
    const wanted = { configured: [], addresses: [] };
    expect(serverNames(['local', 'localhost'], { ...wanted, hostname: 'böx_1' })).toEqual([
      'hub.local',
      'localhost',
    ]);
    expect(serverNames(['local', 'localhost'], { ...wanted, hostname: 'pi.local' })).toEqual([
      'hub.local',
      'pi.local',
      'localhost',
    ]);
  });

  it('are this machine’s, and private', () => {
    const addresses = currentAddresses();
    expect(addresses).toEqual(expect.arrayContaining(['127.0.0.1', '::1']));
    for (const address of addresses) expect(isPermittedAddress(address)).toBe(true);
  });

  it('become the bytes that the address stands for', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().filter((text) => isIPv6(text) && !text.includes('.')),
        ),
        (address) => {
          const bytes = addressBytes(address);
          if (bytes.length === 4) expect([...bytes].join('.')).toBe(address);
          else {
            const groups = Array.from({ length: 8 }, (_, index) =>
              bytes.readUInt16BE(index * 2).toString(16),
            );
            expect(new URL(`http://[${groups.join(':')}]/`).host).toBe(new URL(`http://[${address}]/`).host);
          }
        },
      ),
    );
  });
});

describe('DER', () => {
  it('writes lengths, integers, object ids and times as X.690 has them', () => {
    expect(der.octets(Buffer.alloc(127)).subarray(0, 2).toString('hex')).toBe('047f');
    expect(der.octets(Buffer.alloc(128)).subarray(0, 3).toString('hex')).toBe('048180');
    expect(der.octets(Buffer.alloc(256)).subarray(0, 4).toString('hex')).toBe('04820100');
    expect(der.integer(Buffer.from('0080', 'hex')).toString('hex')).toBe('02020080');
    expect(der.integer(Buffer.from('00007f', 'hex')).toString('hex')).toBe('02017f');
    expect(der.integer(Buffer.of(0)).toString('hex')).toBe('020100');
    expect(der.objectId('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
    expect(der.time(Date.UTC(2049, 11, 31)).toString('latin1')).toBe('\x17\r491231000000Z');
    expect(der.time(Date.UTC(2050, 0, 1)).toString('latin1')).toBe('\x18\x0f20500101000000Z');
  });
});
