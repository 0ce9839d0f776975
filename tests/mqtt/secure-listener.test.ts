import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { listenSecurely } from '#hub/mqtt/secure-listener.ts';
import { createLog } from '#hub/platform/log.ts';
import { openTls } from '#hub/platform/tls/tls.ts';

it('offers the same suites after its certificate was renewed', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mc-'));
  const log = createLog({ level: 'silent' });
  const addresses = ['127.0.0.1'];
  const tls = await openTls({
    directory: path.join(folder, 'tls'),
    configuredNames: [],
    clock: { nowMs: Date.now },
    log,
    addresses: () => addresses,
  });
  const certificates = await tls.forDevices();
  const ignore = (): void => undefined;
  const listener = await listenSecurely({ port: 0, certificates, log, onBridge: ignore, onDevice: ignore });
  const ask = (ciphers: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect({
      host: '127.0.0.1',
      port: listener.port ?? 0,
      servername: 'hub.local',
      ca: certificates.authorityPem(),
      maxVersion: 'TLSv1.2',
      ciphers,
    });
    socket.once('secureConnect', () => resolve('OK'));
    socket.once('error', () => resolve('refused'));
    return promise.finally(() => socket.destroy());
  };
  try {
    for (const address of ['10.0.0.1', '10.0.0.2']) {
      expect(await ask('ECDHE-RSA-AES128-GCM-SHA256')).toBe('OK');
      expect(await ask('ECDHE-ECDSA-AES128-SHA')).toBe('refused');
      addresses.push(address);
      expect(await tls.refresh()).toBe(true);
    }
  } finally {
    await listener.close();
    tls.close();
    await rm(folder, { recursive: true });
  }
});
