import { execFile, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeviceScene } from './device-scene.ts';

const run = promisify(execFile);
const source = path.resolve(import.meta.dirname, 'mbedtls-client.c');

describe('a client with mbedTLS, as on an ESP32', () => {
  let scene: DeviceScene;
  let program = '';
  beforeEach(async () => {
    scene = await DeviceScene.open();
    await scene.add('esp');
    program = path.join(scene.folder, 'mbedtls-client');
    const libraries = ['-lmbedtls', '-lmbedx509', '-lmbedcrypto'];
    expect(spawnSync('cc', ['-o', program, source, ...libraries], { encoding: 'utf8' }).stderr).toBe('');
  });
  afterEach(() => scene.close());

  async function ask(pem: string, name: string, ...more: string[]): Promise<string> {
    const caFile = path.join(scene.folder, 'devices.pem');
    await writeFile(caFile, pem);
    const args = [String(scene.port), caFile, name, 'esp', scene.tokens.get('esp') ?? '', ...more];
    return await run(program, args).then(
      ({ stdout }) => stdout.trim(),
      (failed: { stdout: string }) => failed.stdout.trim(),
    );
  }

  it('connects with what /ca-devices.crt gives, by ECDSA and by RSA, and only to the hub’s own name', async () => {
    const pem = (await scene.tls.forDevices()).authorityPem();
    expect(await ask(pem, 'hub.local')).toMatch(/ECDHE-ECDSA-.* CONNACK 0$/);
    expect(await ask(pem, 'hub.local', 'rsa')).toMatch(/ECDHE-RSA-.* CONNACK 0$/);
    // It refuses an authority with critical constraints, even for parsing: that is what browsers are given.
    expect(await ask(scene.tls.authorityPem(), 'hub.local')).toBe('authority: -0x2562');
    // -0x2700: the certificate does not verify.
    expect(await ask(pem, 'bank.example')).toBe('handshake: -0x2700');
  });

  it('trusts neither the authority of another hub nor, with one kind of key, that of the other', async () => {
    const pem = (await scene.tls.forDevices()).authorityPem();
    const [ecdsa, rsa] = pem.split(/(?<=-----END CERTIFICATE-----\n)/);
    expect(new X509Certificate(ecdsa ?? '').publicKey.asymmetricKeyType).toBe('ec');
    expect(await ask(ecdsa ?? '', 'hub.local')).toMatch(/CONNACK 0$/);
    expect(await ask(rsa ?? '', 'hub.local', 'rsa')).toMatch(/CONNACK 0$/);
    expect(await ask(ecdsa ?? '', 'hub.local', 'rsa')).toBe('handshake: -0x2700');
    const other = await DeviceScene.open();
    try {
      const foreign = (await other.tls.forDevices()).authorityPem();
      expect(await ask(foreign, 'hub.local')).toBe('handshake: -0x2700');
    } finally {
      await other.close();
    }
  });
});
