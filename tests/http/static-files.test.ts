import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readStaticFiles } from '#hub/http/serving/static-files.ts';
import { ask, folder, serve } from './support.ts';

const script = 'console.log("makrcave");\n'.repeat(100);

async function pageHub() {
  const outside = folder();
  const directory = path.join(outside, 'dist');
  mkdirSync(path.join(directory, 'assets'), { recursive: true });
  writeFileSync(path.join(outside, 'secret.txt'), 'canary');
  writeFileSync(path.join(directory, 'index.html'), '<!doctype html><title>MakrCave</title>');
  writeFileSync(path.join(directory, 'assets', 'main-B1c2D3e4.js'), script);
  writeFileSync(path.join(directory, 'logo.png'), Buffer.alloc(2000));
  symlinkSync(path.join(outside, 'secret.txt'), path.join(directory, 'link.txt'));
  return { ...(await serve({ staticFiles: await readStaticFiles(directory) })), directory };
}

describe('the page', () => {
  it('is served at / and at every address of its own, and is asked for anew each time', async () => {
    const { origin, httpPort } = await pageHub();
    for (const address of ['/', '/members', '/doors/front', '/index.html']) {
      const response = await fetch(origin + address, { headers: { accept: 'text/html' } });
      expect(await response.text()).toContain('MakrCave');
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(response.headers.get('cache-control')).toBe('no-cache');
      const etag = response.headers.get('etag')!;
      // fetch would add Cache-Control: no-cache of its own.
      const again = await ask({ port: httpPort, path: address, headers: { 'if-none-match': etag } });
      expect([again.status, again.text]).toEqual([304, '']);
    }
  });

  it('does not stand in for what an API client or a script asks for', async () => {
    const { origin } = await pageHub();
    const statusOf = async (address: string, init?: RequestInit) =>
      (await fetch(origin + address, init)).status;
    expect(await statusOf('/api/nothing', { headers: { accept: 'text/html' } })).toBe(404);
    expect(await statusOf('/auth/nothing', { headers: { accept: 'text/html' } })).toBe(404);
    expect(await statusOf('/assets/gone-00000000.js')).toBe(404);
    expect(await statusOf('/members', { headers: { accept: 'application/json' } })).toBe(404);
    expect(await statusOf('/members', { method: 'POST' })).toBe(404);
  });

  it('keeps hashed assets for ever and sends them compressed', async () => {
    const { httpPort } = await pageHub();
    const name = '/assets/main-B1c2D3e4.js';
    const plain = await ask({ port: httpPort, path: name });
    expect(plain.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
      vary: 'Accept-Encoding',
    });
    expect(plain.text).toBe(script);
    const unpack = { br: brotliDecompressSync, gzip: gunzipSync };
    for (const encoding of ['br', 'gzip'] as const) {
      const answer = await ask({ port: httpPort, path: name, headers: { 'accept-encoding': encoding } });
      expect(answer.headers).toMatchObject({
        'content-encoding': encoding,
        'content-type': 'text/javascript; charset=utf-8',
      });
      expect(unpack[encoding](answer.bytes).toString()).toBe(script);
      expect(answer.bytes.length).toBeLessThan(script.length / 5);
    }
    const image = await ask({ port: httpPort, path: '/logo.png', headers: { 'accept-encoding': 'br' } });
    expect(image.headers).toMatchObject({ 'content-type': 'image/png', 'content-length': '2000' });
    expect(image.headers['content-encoding']).toBeUndefined();
  });
});

describe('a path that climbs', () => {
  const forms = ['..', '%2e%2e', '..%2f', '.%2e', '..\\', '%252e%252e', '....', '\\..', '..;', '..%00'];

  it('reaches nothing outside of the folder, nor a link out of it', async () => {
    const { httpPort } = await pageHub();
    expect((await ask({ port: httpPort, path: '/link.txt' })).status).toBe(404);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...forms, 'assets', '', 'dist'), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('secret.txt', 'dist/../secret.txt', 'link.txt', 'etc/passwd'),
        async (steps, target) => {
          const answer = await ask({ port: httpPort, path: `/${steps.join('/')}/${target}` });
          expect(answer.text).not.toContain('canary');
          expect(answer.text).not.toContain('root:');
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a folder that is not the built page', () => {
  it('is refused at the start', async () => {
    await expect(readStaticFiles(folder())).rejects.toThrow('no index.html');
    await expect(readStaticFiles('/does/not/exist')).rejects.toThrow();
  });
});
