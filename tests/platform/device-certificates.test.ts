import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ConnectionOptions, connect, createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '#hub/platform/log.ts';
import {
  makeAuthority,
  makeAuthorityCertificate,
  makeServerCertificate,
} from '#hub/platform/tls/certificate.ts';
import { tlsServerOptions } from '#hub/platform/tls/server-options.ts';
import { openTls } from '#hub/platform/tls/tls.ts';

const noon = Date.now();
const day = 86_400_000;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mc-tls-'));
});
afterEach(() => rm(folder, { recursive: true }));

const scene = { nowMs: noon, addresses: ['127.0.0.1'] };
async function open(configuredNames: readonly string[] = []) {
  const tls = await openTls({
    directory: path.join(folder, 'tls'),
    configuredNames,
    clock: { nowMs: () => scene.nowMs },
    log: createLog({ level: 'silent' }),
    hostname: () => 'testbox',
    addresses: () => scene.addresses,
  });
  tls.close();
  return tls;
}
const certificates = (pem: string): X509Certificate[] =>
  pem.split(/(?<=-----END CERTIFICATE-----\n)/).map((one) => new X509Certificate(one));

/** Kind of the key that the server showed and how long its chain was, or the client's refusal. */
async function shake(
  server: { key: string | string[]; cert: string | string[] },
  client: ConnectionOptions,
): Promise<string> {
  const listener = createServer({ ...server, ...tlsServerOptions });
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', servername: 'hub.local', ...client });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('secureConnect', () => {
    const shown = socket.getPeerX509Certificate();
    resolve(`${shown?.publicKey.asymmetricKeyType} of ${shown?.issuerCertificate === undefined ? 1 : 2}`);
  });
  socket.once('error', (error: NodeJS.ErrnoException) =>
    resolve(error.code === 'UNSPECIFIED' ? error.message : String(error.code)),
  );
  const outcome = await promise;
  socket.destroy();
  listener.close();
  return outcome;
}

describe('the certificates for devices', () => {
  it('are an ECDSA and an RSA one, for what the client’s hello asks', async () => {
    const devices = await (await open()).forDevices();
    const ca = devices.authorityPem();
    expect(await shake(devices.current(), { ca })).toMatch(/^ec /);
    for (const only of [
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
      { maxVersion: 'TLSv1.2', sigalgs: 'RSA+SHA256' },
      { minVersion: 'TLSv1.3', sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256' },
    ] as const)
      expect(await shake(devices.current(), { ca, ...only }), JSON.stringify(only)).toMatch(/^rsa /);
  });

  it('are shown without their authority, and to who trusts the hub’s own as before', async () => {
    const tls = await open();
    const devices = await tls.forDevices();
    for (const pem of devices.current().cert) expect(pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(await shake(devices.current(), { ca: tls.authorityPem() })).toMatch(/^ec /);
  });

  it('do not widen what the hub’s key may vouch for: constraints bind without being critical', async () => {
    const own = makeAuthority({ commonName: 'CA', dnsNames: ['local', 'localhost'], nowMs: noon });
    const cert = makeAuthorityCertificate({
      key: own.key,
      commonName: 'CA',
      dnsNames: ['local', 'localhost'],
      nowMs: noon,
      notAfterMs: noon + 100 * day,
      constraintsAreCritical: false,
    });
    const make = (dnsNames: string[]) =>
      makeServerCertificate({ authority: own, authorityName: 'CA', dnsNames, addresses: [], nowMs: noon });
    expect(await shake(make(['hub.local']), { ca: cert })).toMatch(/^ec /);
    expect(await shake(make(['hub.local', 'bank.example']), { ca: cert })).toBe(
      'permitted subtree violation',
    );
    const [ecdsa, rsa] = certificates((await (await open()).forDevices()).authorityPem());
    for (const one of [ecdsa, rsa]) expect(one?.raw.includes(Buffer.from('551d1e', 'hex'))).toBe(true);
  });

  it('come to a hub that has its authority already, without changing it; private, and kept', async () => {
    const before = await open();
    const devices = await (await open()).forDevices();
    const again = await open();
    expect(again.current()).toEqual(before.current());
    expect((await again.forDevices()).current()).toEqual(devices.current());
    expect((await again.forDevices()).authorityPem()).toBe(devices.authorityPem());
    expect((await stat(path.join(folder, 'tls', 'devices.json'))).mode & 0o777).toBe(0o600);
  });

  it('are made anew with the hub’s own; the RSA keys and the authorities stay', async () => {
    const tls = await open();
    const devices = await tls.forDevices();
    const authorities = devices.authorityPem();
    let renewals = 0;
    devices.onRenewed(() => (renewals += 1));
    const [, rsaKey] = devices.current().key;
    scene.addresses = ['127.0.0.1', '192.168.7.7'];
    expect(await tls.refresh()).toBe(true);
    scene.nowMs = noon + 380 * day;
    expect(await tls.refresh()).toBe(true);
    const rsa = new X509Certificate(devices.current().cert[1] ?? '');
    expect(rsa.subjectAltName).toContain('192.168.7.7');
    expect(rsa.validToDate.getTime()).toBeGreaterThan(noon + 700 * day);
    expect([renewals, devices.authorityPem(), devices.current().key[1]]).toEqual([2, authorities, rsaKey]);
    // Another name of the house makes another authority; what is below it follows.
    const renamed = await open(['hub.makerspace.example']);
    const followed = await renamed.forDevices();
    expect(followed.authorityPem()).not.toBe(authorities);
    expect(followed.current().key[1]).toBe(rsaKey);
    scene.nowMs = noon;
  });

  it('are made again when their file is damaged', async () => {
    const file = path.join(folder, 'tls', 'devices.json');
    const first = await (await open()).forDevices();
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 300));
    const second = await (await open()).forDevices();
    expect(second.authorityPem()).not.toBe(first.authorityPem());
    expect(await shake(second.current(), { ca: second.authorityPem() })).toMatch(/^ec /);
  });
});
