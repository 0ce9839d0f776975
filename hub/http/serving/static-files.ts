import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Context } from 'koa';
import { assert, Fault } from '#hub/kernel/result.ts';

const compressBrotli = promisify(brotliCompress);
const compressGzip = promisify(gzip);

/** More than any build of the UI; a larger folder is the wrong folder. */
const maxTotalBytes = 32 * 1024 * 1024;
/** Smaller files do not benefit from compression. */
const minCompressedBytes = 512;

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.mp3': 'audio/mpeg',
  '.txt': 'text/plain; charset=utf-8',
};
const compressible = /^(text\/|application\/(json|manifest)|image\/svg)/;
/** Vite puts a hash of the content into the name of everything in `assets/`. */
const hashedName = /^\/assets\/.+-[\w-]{8,}\.\w+$/;

interface StaticFile {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly etag: string;
  readonly immutable: boolean;
  /** Filled at the first request that takes it. */
  readonly encoded: Map<'br' | 'gzip', Promise<Buffer>>;
}

export interface StaticFiles {
  /** Answers from the folder: a file, or the page itself at an address of the page's own. False: nothing there. */
  answer(ctx: Context): Promise<boolean>;
}

async function readFolder(directory: string): Promise<Map<string, StaticFile>> {
  const files = new Map<string, StaticFile>();
  let totalBytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const bytes = await readFile(file);
    totalBytes += bytes.length;
    if (totalBytes > maxTotalBytes)
      throw new Fault(
        'uiTooLarge',
        `${directory} holds more than ${maxTotalBytes} bytes: is it the built UI?`,
      );
    const name = `/${path.relative(directory, file).split(path.sep).join('/')}`;
    files.set(name, {
      bytes,
      mediaType: mediaTypes[path.extname(name)] ?? 'application/octet-stream',
      etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`,
      immutable: hashedName.test(name),
      encoded: new Map(),
    });
  }
  return files;
}

function encode(file: StaticFile, encoding: 'br' | 'gzip'): Promise<Buffer> {
  const known = file.encoded.get(encoding);
  if (known !== undefined) return known;
  const made =
    encoding === 'gzip'
      ? compressGzip(file.bytes)
      : compressBrotli(file.bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
  file.encoded.set(encoding, made);
  return made;
}

async function answerFile(ctx: Context, file: StaticFile): Promise<void> {
  ctx.set('ETag', file.etag);
  ctx.set('Cache-Control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.set('Content-Type', file.mediaType);
  if (!compressible.test(file.mediaType) || file.bytes.length < minCompressedBytes) {
    ctx.body = file.bytes;
    return;
  }
  ctx.vary('Accept-Encoding');
  const encoding = ctx.acceptsEncodings('br', 'gzip', 'identity');
  if (encoding === 'br' || encoding === 'gzip') {
    ctx.set('Content-Encoding', encoding);
    ctx.body = await encode(file, encoding);
  } else ctx.body = file.bytes;
  // Koa guesses a type for bytes only where none is set.
  ctx.set('Content-Type', file.mediaType);
}

/**
 * The built UI, read once and served from memory: a request can only name what was in the folder at the start, so there
 * is no path to climb out of. An address without an extension that no file has is the page's own: `index.html`.
 */
export async function readStaticFiles(directory: string): Promise<StaticFiles> {
  const files = await readFolder(directory);
  const index = files.get('/index.html');
  assert(index !== undefined, `${directory} has no index.html`);
  return {
    async answer(ctx) {
      if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return false;
      // Pages name their files from the root, so a folder's page is the same with and without the slash.
      const exact = files.get(ctx.path) ?? files.get(`${ctx.path.replace(/\/$/, '')}/index.html`);
      const isPage = !/\.\w+$/.test(ctx.path) && ctx.accepts('html') !== false;
      const file = exact ?? (isPage ? index : undefined);
      if (file === undefined) return false;
      await answerFile(ctx, file);
      return true;
    },
  };
}
