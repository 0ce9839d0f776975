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

/**
 * Reads the body of a write: JSON as it is (no Content-Encoding), at most `limitBytes`, else a problem. `{}` where
 * nothing was sent. Only `application/json` passes, which no HTML form of another site can send.
 */
export function createBodyReader(limitBytes: number): (ctx: Context) => Promise<ReadBody> {
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
    if (mediaType !== 'application/json' || (encoding !== '' && encoding !== 'identity'))
      return refused(platformProblem('bodyNotJson'));
    if ((ctx.request.length ?? 0) > limitBytes)
      return refused(
        errorToBodyProblem(Object.assign(new Error('length'), { status: 413 }), ctx, limitBytes),
      );
    try {
      await parse(ctx, () => Promise.resolve());
    } catch (error) {
      return refused(errorToBodyProblem(error, ctx, limitBytes));
    }
    return { ok: true, body: ctx.request.body };
  };
}
