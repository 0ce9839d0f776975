import type { Context, Middleware } from 'koa';
import { assert, type Refusal } from '#hub/kernel/result.ts';
import type { Authenticator } from '../endpoint/auth.ts';
import type { Endpoint, ParsedCall, Principal } from '../endpoint/endpoint.ts';
import {
  answerProblem,
  type Problem,
  platformProblem,
  platformProblems,
  problemBody,
} from '../endpoint/problem.ts';
import type { ProblemCatalog } from '../endpoint/problem-catalog.ts';
import { parseRequest } from '../endpoint/request-parsing.ts';
import type { Idempotency, KeyedWrite } from '../idempotency/idempotency.ts';
import type { RenderedAnswer } from '../idempotency/rendered-answer.ts';
import { admit } from './admission.ts';
import type { CallerShares } from './caller-shares.ts';
import {
  answerCsv,
  type CsvAnswers,
  csvHolders,
  csvMediaType,
  pagingErrors,
  takeCsvStyle,
} from './csv-answer.ts';
import { entityTagOf, matchesTag } from './entity-tag.ts';
import { callerOf, contextOf, type Exchange } from './exchange.ts';
import { applyPrecondition, type Precondition } from './precondition.ts';
import type { createBodyReader } from './request-body.ts';
import { parseAnswer, type UnreadableRow, type UnreadableRows } from './unreadable-rows.ts';

/** Dependencies of serving an endpoint. */
export interface ServingDeps {
  readonly authenticator: Authenticator;
  readonly problems: ProblemCatalog;
  /** Whoever sits at the box itself. */
  readonly consolePrincipal: Principal;
  readonly exchangeOf: (ctx: Context) => Exchange;
  /** Reads bodies up to the endpoint's own limit, or that of the whole interface. */
  readonly bodyReaderFor: (endpoint: Endpoint) => ReturnType<typeof createBodyReader>;
  readonly shares: CallerShares;
  readonly csvAnswers: CsvAnswers;
  readonly unreadableRows: UnreadableRows;
  /** Logs and reports a fault. */
  readonly reportFault: (ctx: Context, fault: unknown) => void;
  /** Without it the header Idempotency-Key has no meaning. */
  readonly idempotency: Idempotency | undefined;
}

const json = 'application/json';
type Format = typeof json | typeof csvMediaType;

/** Picks the response format from Accept, JSON by default; null if none matches. */
function chooseFormat(ctx: Context, endpoint: Endpoint): Format | null {
  if (endpoint.csv !== undefined) ctx.vary('Accept');
  const { accept } = ctx.req.headers;
  if (accept === undefined || accept === json || accept === '*/*') return json;
  const offered: readonly Format[] = endpoint.csv === undefined ? [json] : [json, csvMediaType];
  const chosen = ctx.accepts([...offered]);
  return offered.find((format) => format === chosen) ?? null;
}

const notAcceptable = (endpoint: Endpoint): Problem =>
  platformProblem('notAcceptable', {
    facts: { offered: endpoint.csv === undefined ? [json] : [json, csvMediaType] },
  });

/** The query with a list wherever several values may be given. */
function queryOf(ctx: Context, endpoint: Endpoint): Readonly<Record<string, unknown>> {
  const query: Record<string, unknown> = { ...ctx.query };
  for (const name of endpoint.repeatable) if (typeof query[name] === 'string') query[name] = [query[name]];
  return query;
}

const versionOf = (body: unknown): number | null =>
  typeof body === 'object' && body !== null && 'version' in body && typeof body.version === 'number'
    ? body.version
    : null;

function renderProblem(problem: Problem, requestId: string): RenderedAnswer {
  const { retryAfterSeconds } = problem;
  return {
    status: problem.status,
    mediaType: 'application/problem+json',
    body: JSON.stringify(problemBody(problem, requestId)),
    etag: null,
    headers:
      retryAfterSeconds === undefined
        ? {}
        : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterSeconds))) },
  };
}

function renderRefusal(
  { method, path, refusals }: Endpoint,
  refusal: Refusal,
  problems: ProblemCatalog,
  asked: { readonly requestId: string; readonly isConditional: boolean },
): RenderedAnswer {
  const isDeclared = refusals.some((code) => code === refusal.code);
  assert(isDeclared, `${method} ${path} does not declare the refusal ${refusal.code}`);
  const problem = problems.ofRefusal(refusal);
  const isFailedCondition = asked.isConditional && refusal.code === 'staleVersion';
  const { status } = isFailedCondition ? platformProblems.preconditionFailed : problem;
  return renderProblem({ ...problem, status }, asked.requestId);
}

/** Handler and answer. The response schema parses always: it is what keeps a column out. */
async function invoke(
  endpoint: Endpoint,
  call: ParsedCall,
  problems: ProblemCatalog,
  {
    isConditional,
    reportFault,
    noteUnreadable,
  }: {
    readonly isConditional: boolean;
    readonly reportFault: (fault: unknown) => void;
    readonly noteUnreadable: (value: unknown, rows: readonly UnreadableRow[]) => void;
  },
): Promise<RenderedAnswer> {
  const result = await endpoint.invoke(call, problems);
  const { requestId } = call.context;
  if (!result.ok) return renderRefusal(endpoint, result.refusal, problems, { requestId, isConditional });
  result.value.faults.forEach(reportFault);
  const { value: parsed, unreadable } = parseAnswer(endpoint.response, result.value.body);
  noteUnreadable(parsed, unreadable);
  const body = JSON.stringify(parsed);
  // An answer to PUT or DELETE is not what lies at that address (RFC 9110, 9.3.4), so it has no tag.
  const isTagged = endpoint.isEntity && endpoint.method !== 'PUT' && endpoint.method !== 'DELETE';
  const version = isTagged ? versionOf(parsed) : null;
  return {
    status: endpoint.status,
    mediaType: json,
    body,
    etag: version === null ? null : entityTagOf(version, body),
    headers: result.value.headers,
  };
}

function send(ctx: Context, answer: RenderedAnswer): void {
  ctx.status = answer.status;
  ctx.set('Cache-Control', 'no-store');
  for (const [name, value] of Object.entries(answer.headers))
    ctx.set(name, typeof value === 'string' ? value : [...value]);
  if (answer.etag !== null) {
    ctx.set('ETag', answer.etag);
    const known = ctx.req.headers['if-none-match'];
    if (known !== undefined && matchesTag(known, answer.etag)) {
      ctx.status = 304;
      return;
    }
  }
  // Before the body: Koa guesses a type for a body that has none.
  ctx.set('Content-Type', answer.mediaType);
  ctx.body = answer.body;
}

const keyedWriteOf = (
  endpoint: Endpoint,
  ctx: Context,
  { key, principal, body }: { readonly key: string; readonly principal: Principal; readonly body: unknown },
): KeyedWrite => ({
  key,
  caller: `${principal.kind} ${principal.accountId}`,
  endpoint: `${endpoint.method} ${endpoint.path}`,
  target: ctx.path.replace(/\/$/, '') + ctx.search,
  body,
  isSecret: endpoint.answerIsSecret,
  actsOutside: endpoint.actsOutside,
  status: endpoint.status,
});

/** Admission, format, body, preconditions, parsing, handler, answer. */
export function serveEndpoint(deps: ServingDeps, endpoint: Endpoint): Middleware {
  const readBody = deps.bodyReaderFor(endpoint);
  const isRead = endpoint.method === 'GET';
  return async (ctx) => {
    const exchange = deps.exchangeOf(ctx);
    const { requestId } = exchange;
    const refuseWith = (problem: Problem): void => answerProblem(ctx, problem, requestId);
    const admission = await admit(endpoint.access, callerOf(ctx, exchange), deps);
    if (!admission.ok) return refuseWith(admission.problem);
    const { principal } = admission;
    exchange.accountId = principal?.accountId;
    const format = chooseFormat(ctx, endpoint);
    if (format === null) return refuseWith(notAcceptable(endpoint));
    const endBody = isRead ? () => undefined : deps.shares.beginBody(exchange);
    if (endBody === null) return refuseWith(platformProblem('tooManyAtOnce', { retryAfterSeconds: 1 }));
    const read = await readBody(ctx).finally(endBody);
    if (!read.ok) return refuseWith(read.problem);
    const guarded: Precondition = isRead
      ? { ok: true, body: read.body, isConditional: false }
      : applyPrecondition(endpoint, ctx, read.body);
    if (!guarded.ok) return refuseWith(guarded.problem);
    const params: unknown = ctx['params'];
    const isCsv = format === csvMediaType;
    const asked = queryOf(ctx, endpoint);
    // As JSON too, where they change nothing: the documentation's own page sends every parameter that has a default.
    const { style, errors: ofStyle, rest: query } = takeCsvStyle(endpoint, asked);
    const request = parseRequest(endpoint, { params, query, body: guarded.body });
    if (!request.ok) return refuseWith(platformProblem('invalidRequest', { errors: request.errors }));
    const call: ParsedCall = {
      principal,
      params: request.params,
      query: request.query,
      body: request.body,
      context: contextOf(ctx, exchange),
    };
    if (!isCsv && ofStyle.length > 0)
      return refuseWith(platformProblem('invalidRequest', { errors: ofStyle }));
    if (isCsv && endpoint.csv !== undefined) {
      const errors = [...ofStyle, ...pagingErrors(ctx.query)];
      if (errors.length > 0) return refuseWith(platformProblem('invalidRequest', { errors }));
      const problem = answerCsv(ctx, deps.csvAnswers, endpoint.csv, {
        call,
        holders: csvHolders(principal, exchange),
        style,
      });
      return problem === null ? undefined : refuseWith(problem);
    }
    const work = (): Promise<RenderedAnswer> =>
      invoke(endpoint, call, deps.problems, {
        isConditional: guarded.isConditional,
        reportFault: (fault) => deps.reportFault(ctx, fault),
        noteUnreadable: (value, rows) => deps.unreadableRows.note(endpoint.path, value, rows),
      });
    const { 'idempotency-key': key } = ctx.req.headers;
    // Nobody is who they are at an open endpoint, so that there is nobody whose key it could be.
    if (key === undefined || isRead || principal === null || deps.idempotency === undefined)
      return send(ctx, await work());
    const write = keyedWriteOf(endpoint, ctx, { key: String(key), principal, body: guarded.body });
    const once = await deps.idempotency.answerOnce(write, work);
    if (!once.ok) return refuseWith(once.problem);
    if (once.isReplay) ctx.set('Idempotency-Replayed', 'true');
    send(ctx, once.answer);
  };
}
