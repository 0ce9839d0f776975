import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startServer } from '#hub/http/serving/server.ts';
import { claimSocketPath } from '#hub/platform/files/unix-socket.ts';
import { openTls } from '#hub/platform/tls/tls.ts';
import { ask, folder, logInto, secureHub, serve } from './support.ts';

function askHttps(port: number, options: { ca: string; servername: string; path?: string }) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    text: string;
    protocol: string | false | null;
    serial: string;
  }>();
  const sent = requestHttps(
    { host: '127.0.0.1', port, agent: false, path: '/api/things', ...options },
    (response) => {
      let text = '';
      const socket = response.socket as TLSSocket;
      const serial = socket.getPeerX509Certificate()!.serialNumber;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode!, text, protocol: socket.alpnProtocol, serial }),
      );
    },
  );
  sent.on('error', reject);
  sent.end();
  return promise;
}

async function askHttp2(port: number, ca: string, headers: Record<string, string>, body?: string) {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: 'hub.local' });
  onTestFinished(() => session.destroy());
  const stream = session.request(headers);
  if (body !== undefined) stream.end(body);
  const [answer] = (await once(stream, 'response')) as [Record<string, string | number>];
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  session.close();
  return { headers: answer, text };
}

describe('HTTPS', () => {
  it('speaks HTTP/2 and HTTP/1.1 under a certificate that the hub’s authority vouches for', async () => {
    const { httpsPort, tls, callers } = await secureHub();
    const ca = tls.authorityPem();
    const second = await askHttp2(httpsPort!, ca, { ':path': '/api/things', ':authority': 'hub.local:8443' });
    expect(second.headers[':status']).toBe(200);
    expect(second.headers['content-security-policy']).toContain("default-src 'none'");
    expect(JSON.parse(second.text)).toEqual({ path: '/api/things' });
    const first = await askHttps(httpsPort!, { ca, servername: 'hub.local' });
    expect([first.status, first.protocol]).toEqual([200, false]);
    expect(callers.map((caller) => [caller.transport, caller.headers.host])).toEqual([
      ['https', 'hub.local:8443'],
      ['https', `127.0.0.1:${httpsPort}`],
    ]);
    expect(callers[0]?.remoteAddress).toBe('127.0.0.1');
  });

  it('takes bodies and answers problems over HTTP/2', async () => {
    const { httpsPort, tls } = await secureHub();
    const post = (headers: Record<string, string>, body: string) =>
      askHttp2(httpsPort!, tls.authorityPem(), { ':method': 'POST', ':path': '/api/open', ...headers }, body);
    const json = { 'content-type': 'application/json' };
    expect((await post(json, '{}')).headers[':status']).toBe(200);
    expect(JSON.parse((await post(json, '{')).text)).toMatchObject({ code: 'malformedJson' });
    expect(JSON.parse((await post(json, JSON.stringify({ x: 'y'.repeat(300_000) }))).text)).toMatchObject({
      code: 'bodyTooLarge',
    });
  });

  it('is trusted by nobody who does not know the authority, and for no other name', async () => {
    const { httpsPort, tls } = await secureHub();
    const other = await openTls({
      directory: folder(),
      configuredNames: [],
      clock: { nowMs: Date.now },
      log: logInto().log,
    });
    other.close();
    await expect(
      askHttps(httpsPort!, { ca: other.authorityPem(), servername: 'hub.local' }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/) });
    await expect(
      askHttps(httpsPort!, { ca: tls.authorityPem(), servername: 'bank.example' }),
    ).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  it.each([
    ['ECDHE-ECDSA-AES128-GCM-SHA256', true],
    ['ECDHE-ECDSA-CHACHA20-POLY1305', true],
    ['ECDHE-ECDSA-AES128-SHA', false],
    ['ECDHE-ECDSA-AES256-SHA384', false],
    ['ECDHE-ECDSA-AES256-CCM', false],
    ['ECDHE-ECDSA-ARIA256-GCM-SHA384', false],
  ])('over TLS 1.2 with %s: %s', async (ciphers, isSpoken) => {
    const { httpsPort, tls } = await secureHub();
    const socket = connectTls({
      host: '127.0.0.1',
      port: httpsPort!,
      ca: tls.authorityPem(),
      servername: 'hub.local',
      maxVersion: 'TLSv1.2',
      ciphers,
    });
    onTestFinished(() => void socket.destroy());
    const spoken = await once(socket, 'secureConnect').then(
      () => socket.getCipher().name,
      () => null,
    );
    expect(spoken).toBe(isSpoken ? ciphers : null);
  });

  it('shows a renewed certificate without a restart', async () => {
    const { httpsPort, tls, time } = await secureHub(Date.now() - 200 * 86_400_000);
    const before = await askHttps(httpsPort!, { ca: tls.authorityPem(), servername: 'hub.local' });
    expect(await tls.refresh()).toBe(false);
    time.nowMs += 190 * 86_400_000 + 180 * 86_400_000;
    expect(await tls.refresh()).toBe(true);
    const after = await askHttps(httpsPort!, { ca: tls.authorityPem(), servername: 'localhost' }).catch(
      (error: NodeJS.ErrnoException) => error.code,
    );
    // Renewed for a day in the future, so it is not valid yet; what matters is that another one is shown.
    expect(after).toBe('CERT_NOT_YET_VALID');
    expect(before.status).toBe(200);
  });

  it('hands the authority out to everybody', async () => {
    const { origin, tls } = await secureHub();
    const response = await fetch(`${origin}/ca.crt`);
    expect(response.headers.get('content-type')).toBe('application/x-x509-ca-cert');
    expect(new X509Certificate(await response.text()).fingerprint256).toBe(tls.authorityFingerprint());
  });
});

describe('plain HTTP', () => {
  it('listens on loopback only', async () => {
    const { httpPort } = await serve();
    expect((await fetch(`http://127.0.0.1:${httpPort}/api/things`)).status).toBe(200);
    const other = connect({ host: '127.0.0.2', port: httpPort! });
    const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('says which setting to change when the port is taken', async () => {
    const { httpPort, lines } = await serve();
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'listening', httpPort }));
    await expect(serve({}, { httpPort: httpPort! })).rejects.toMatchObject({
      code: 'addressInUse',
      message: expect.stringContaining('http.port'),
    });
  });
});

describe('the control socket', () => {
  it('is private and makes its caller the console, with every permission', async () => {
    const controlSocket = path.join(folder(), 'hub', 'hub.sock');
    await serve({}, { controlSocket });
    expect(statSync(controlSocket).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(controlSocket)).mode & 0o777).toBe(0o700);
    expect((await ask({ socketPath: controlSocket, path: '/api/managed' })).status).toBe(200);
  });

  it('takes the place of a dead one, and never that of a live one or of a file', async () => {
    const controlSocket = path.join(folder(), 'hub.sock');
    // A socket whose process died leaves its file: listening and closing without unlinking does the same.
    const dead = createServer();
    dead.listen(controlSocket);
    await once(dead, 'listening');
    await expect(claimSocketPath(controlSocket)).rejects.toMatchObject({ code: 'socketInUse' });
    const { linkSync, renameSync } = await import('node:fs');
    linkSync(controlSocket, `${controlSocket}.kept`);
    dead.close();
    await once(dead, 'close');
    renameSync(`${controlSocket}.kept`, controlSocket);
    const first = await serve({}, { controlSocket });
    expect((await ask({ socketPath: controlSocket, path: '/api/me' })).status).toBe(200);
    await expect(serve({}, { controlSocket })).rejects.toMatchObject({ code: 'socketInUse' });
    expect((await ask({ socketPath: controlSocket, path: '/api/me' })).status).toBe(200);
    await first.close(0);
    await writeFile(controlSocket, 'precious');
    chmodSync(controlSocket, 0o600);
    await expect(serve({}, { controlSocket })).rejects.toMatchObject({ code: 'socketPathTaken' });
    await expect(claimSocketPath(`/tmp/${'x'.repeat(120)}`)).rejects.toMatchObject({
      code: 'socketPathTooLong',
    });
  });
});

describe('closing', () => {
  it('lets a running request end and takes no more', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const { log } = logInto();
    const server = await startServer({
      httpPort: 0,
      log,
      app: {
        handlerFor: () => (_request, response) => {
          started.resolve();
          void finish.promise.then(() => (response as never as { end(text: string): void }).end('done'));
        },
      },
    });
    const answer = fetch(`http://127.0.0.1:${server.httpPort}/`);
    await started.promise;
    const closed = server.close(60_000);
    await expect(fetch(`http://127.0.0.1:${server.httpPort}/`)).rejects.toThrow();
    finish.resolve();
    expect(await (await answer).text()).toBe('done');
    await closed;
  });

  it('cuts what does not end within its grace', async () => {
    const { log } = logInto();
    const started = Promise.withResolvers<void>();
    const server = await startServer({
      httpPort: 0,
      log,
      app: { handlerFor: () => () => started.resolve() },
    });
    const answer = fetch(`http://127.0.0.1:${server.httpPort}/`).catch((error: unknown) => error);
    await started.promise;
    await server.close(1);
    expect(await answer).toBeInstanceOf(Error);
  });
});
