import type { Context } from 'koa';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { type Problem, platformProblem } from '../endpoint/problem.ts';
import { readIfMatch } from './entity-tag.ts';

export type Precondition =
  | { readonly ok: true; readonly body: unknown; readonly isConditional: boolean }
  | { readonly ok: false; readonly problem: Problem };

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refused = (code: Parameters<typeof platformProblem>[0], facts?: Problem['facts']): Precondition => ({
  ok: false,
  problem: platformProblem(code, facts === undefined ? {} : { facts }),
});

/**
 * The body of a write with the version that If-Match names, which is then compared where the body's own is: inside the
 * transaction. A precondition that this endpoint could not check is refused rather than ignored.
 */
export function applyPrecondition(
  endpoint: Pick<Endpoint, 'takesVersion'>,
  ctx: Context,
  body: unknown,
): Precondition {
  const { 'if-match': header, 'if-none-match': ifNoneMatch } = ctx.req.headers;
  if (ifNoneMatch !== undefined) return refused('preconditionInvalid', { header: 'If-None-Match' });
  if (header === undefined) return { ok: true, body, isConditional: false };
  if (!endpoint.takesVersion) return refused('preconditionInvalid', { header: 'If-Match' });
  const wanted = readIfMatch(header);
  if (wanted.kind === 'refused') return refused(wanted.code, { header: 'If-Match' });
  if (wanted.kind === 'any' || !isFields(body)) return { ok: true, body, isConditional: true };
  const named = body['version'];
  if (named !== undefined && named !== wanted.version)
    return refused('ifMatchDiffers', { ifMatchVersion: wanted.version, bodyVersion: named });
  return { ok: true, body: { ...body, version: wanted.version }, isConditional: true };
}
