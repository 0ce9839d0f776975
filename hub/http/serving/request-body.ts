import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import type { Context } from 'koa';
import { type Problem, platformProblem } from '../endpoint/problem.ts';

export type ReadBody =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly problem: Problem };

const refused = (problem: Problem): ReadBody => ({ ok: false, problem });

function errorToBodyProblem(error: unknown, ctx: Context, limitBytes: number): Problem {
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  if (status === 413) {
    // What is left of a body that is too large is not read.
    if (ctx.req.httpVersionMajor < 2) ctx.set('Connection', 'close');
    return platformProblem('bodyTooLarge', { facts: { limitBytes } });
  }
  if (status === 400) return platformProblem('malformedJson');
  throw error;
}

/** True for UTF-8, which JSON is in (RFC 8259, 8.1), and where nothing is said. */
const isUtf8Charset = (contentType: string): boolean => {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset);
};

/** Keeps the bytes that the parser is about to turn into text, which shows a wrong one as U+FFFD. */
function keepBytes(request: IncomingMessage): () => Uint8Array {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => void chunks.push(chunk));
  return () => (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
}

/** Half of a surrogate pair: no text holds it, so that a line with a wrong byte is found by it. */
const wrongByteMark = '\uDC80';

/** Parses JSON that is not UTF-8; where a byte is wrong the text gets the mark. */
function parseMarked(bytes: Uint8Array): ReadBody {
  try {
    const text = new TextDecoder().decode(bytes).replaceAll('\uFFFD', wrongByteMark);
    return { ok: true, body: JSON.parse(text) };
  } catch {
    return refused(platformProblem('bodyNotUtf8'));
  }
}

/**
 * Reads the body of a write: JSON as it is (no Content-Encoding), at most `limitBytes`, else a problem. `{}` where
 * nothing was sent. Only `application/json` in UTF-8 passes, which no HTML form of another site can send. With `hasLines` a
 * body that is not UTF-8 is parsed nonetheless: its lines say which of them are wrong.
 */
export function createBodyReader(
  limitBytes: number,
  { hasLines = false }: { readonly hasLines?: boolean } = {},
): (ctx: Context) => Promise<ReadBody> {
  const parse = bodyParser({
    enableTypes: ['json'],
    parsedMethods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    jsonLimit: limitBytes,
  });
  return async (ctx) => {
    if (ctx.method === 'GET' || ctx.method === 'HEAD') return { ok: true, body: {} };
    const mediaType = ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() ?? '';
    const sent = mediaType !== '' || (ctx.request.length ?? 0) > 0 || ctx.get('Transfer-Encoding') !== '';
    if (!sent) return { ok: true, body: {} };
    const encoding = ctx.get('Content-Encoding').toLowerCase();
    const isPlain = encoding === '' || encoding === 'identity';
    if (mediaType !== 'application/json' || !isPlain || !isUtf8Charset(ctx.get('Content-Type')))
      return refused(platformProblem('bodyNotJson'));
    if ((ctx.request.length ?? 0) > limitBytes)
      return refused(
        errorToBodyProblem(Object.assign(new Error('length'), { status: 413 }), ctx, limitBytes),
      );
    const bytesOf = keepBytes(ctx.req);
    try {
      await parse(ctx, () => Promise.resolve());
    } catch (error) {
      return refused(errorToBodyProblem(error, ctx, limitBytes));
    }
    const bytes = bytesOf();
    if (isUtf8(bytes)) return { ok: true, body: ctx.request.body };
    return hasLines ? parseMarked(bytes) : refused(platformProblem('bodyNotUtf8'));
  };
}
