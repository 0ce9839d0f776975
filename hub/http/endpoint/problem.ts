import type { Context } from 'koa';
import { z } from 'zod';
import { Fault, type Refusal } from '#hub/kernel/result.ts';

/** Problems that the platform itself answers, before or instead of an endpoint. Every endpoint may answer any of these. */
export const platformProblems = {
  invalidRequest: {
    status: 400,
    title: 'The request is not valid',
    nextStep: 'Correct the fields that `errors` names.',
  },
  malformedJson: {
    status: 400,
    title: 'The body is not JSON',
    nextStep: 'Send one JSON object, encoded as UTF-8.',
  },
  bodyNotUtf8: {
    status: 400,
    title: 'The body is not encoded as UTF-8',
    nextStep: 'Encode it as UTF-8 and send it again.',
  },
  signInRequired: { status: 401, title: 'Nobody is signed in', nextStep: 'Sign in and try again.' },
  sessionExpired: { status: 401, title: 'The session has ended', nextStep: 'Sign in again.' },
  credentialsInvalid: { status: 401, title: 'The credentials are not valid', nextStep: 'Sign in again.' },
  accessTokenExpired: {
    status: 401,
    title: 'The access token has ended',
    nextStep: 'Get a new one: by /auth/refresh, or from whoever manages the service account.',
  },
  credentialsAmbiguous: {
    status: 400,
    title: 'The request carries a cookie and a token',
    nextStep: 'Send only one of them: a program sends no cookie.',
  },
  csrfFailed: {
    status: 403,
    title: 'The request does not come from this site’s own page',
    nextStep: 'Reload the page and try again.',
  },
  permissionMissing: {
    status: 403,
    title: 'This account may not do that',
    nextStep: 'Ask an administrator for the permission that `permission` names.',
  },
  notFound: {
    status: 404,
    title: 'There is nothing at this address',
    nextStep: 'Check the address; /openapi.json names every one that there is.',
  },
  pageNotBuilt: {
    status: 404,
    title: 'The web page and the documentation are not built',
    nextStep:
      'Run ./scripts/start once: it builds them. The API works without; /openapi.json describes all of it.',
  },
  methodNotAllowed: {
    status: 405,
    title: 'This address does not take that method',
    nextStep: 'Use a method that the Allow header names.',
  },
  notAcceptable: {
    status: 406,
    title: 'The answer does not exist in a type that was asked for',
    nextStep: 'Ask by the Accept header for one of the types that `offered` names.',
  },
  preconditionFailed: {
    status: 412,
    title: 'It has changed since it was read, or was never of this version',
    nextStep: 'Read it again and repeat the change on what it is now.',
  },
  staleVersion: {
    status: 409,
    title: 'Somebody else has changed this in the meantime',
    nextStep: 'Load what is there now (`current`), look at it, and make your change again.',
  },
  cursorInvalid: {
    status: 400,
    title: 'The cursor belongs to another list, or to another sort or filter of it',
    nextStep: 'Leave `cursor` out to begin at the first page; change sort and filters only there.',
  },
  preconditionInvalid: {
    status: 400,
    title: 'The header If-Match or If-None-Match cannot be read, or has no meaning here',
    nextStep: 'Send one entity tag as an ETag header gave it, or leave the header out.',
  },
  ifMatchDiffers: {
    status: 400,
    title: 'If-Match and the body name two different versions',
    nextStep: 'Name the version once, in the header or in the body.',
  },
  idempotencyKeyInvalid: {
    status: 400,
    title: 'The Idempotency-Key is not one',
    nextStep: 'Send 1 to 255 visible ASCII characters, a new random UUID for each write.',
  },
  idempotencyKeyReused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    nextStep: 'Send a new key with a new request, and the same key only with the very same request.',
  },
  idempotencyKeyInUse: {
    status: 409,
    title: 'The first request with this Idempotency-Key is still under way',
    nextStep: 'Repeat the request when the time of the Retry-After header has passed.',
  },
  idempotencyOutcomeUnknown: {
    status: 409,
    title: 'This request was begun before, and nobody knows how it ended',
    nextStep:
      'Look whether its change is there (the audit log has it, at `firstAt` or just after); if not, send it under a new key.',
  },
  idempotencyAnswerNotKept: {
    status: 409,
    title:
      'This request was carried out before; its answer is not kept: it holds a secret, is too large, or was lost when the hub broke off',
    nextStep: 'Read what it made. A secret that was lost is replaced by making a new one.',
  },
  bodyTooLarge: { status: 413, title: 'The body is too large', nextStep: 'Send less at once.' },
  bodyNotJson: {
    status: 415,
    title: 'The body has a type that is not taken here',
    nextStep: 'Send JSON in UTF-8 with Content-Type: application/json, without Content-Encoding.',
  },
  misdirectedRequest: {
    status: 421,
    title: 'Plain HTTP is only for the box itself',
    nextStep: 'Open http://localhost on the box, or the HTTPS address from elsewhere.',
  },
  tooManyRequests: {
    status: 429,
    title: 'Too many requests',
    nextStep: 'Wait as long as the Retry-After header says.',
  },
  tooManyAtOnce: {
    status: 429,
    title: 'Too many requests from this address are under way at once',
    nextStep: 'Wait for the answers to those before; many writes at once go to the bulk addresses.',
  },
  tooManyExports: {
    status: 503,
    title: 'Too many CSV files are under way, in all or of this account or address',
    nextStep: 'Try again when one of them is done.',
  },
  internalError: {
    status: 500,
    title: 'Something broke in the hub',
    nextStep: 'Try again; if it stays, look for `requestId` in the log.',
  },
  storeBusy: {
    status: 503,
    title: 'The hub is busy',
    nextStep:
      'Try again in a moment. If it stays, another program may hold the store: Settings, Health and `status` name it.',
  },
  diskFull: {
    status: 507,
    title: 'The disk is full: nothing was changed',
    nextStep: 'Free space on the box; reading and doors go on.',
  },
} as const satisfies Readonly<Record<string, ProblemText>>;
export type PlatformProblemCode = keyof typeof platformProblems;

declare module '#hub/kernel/vocabulary.ts' {
  interface Refusals extends Record<PlatformProblemCode, true> {}
}

/** A status with the texts for people. */
export interface ProblemText {
  readonly status: number;
  readonly title: string;
  readonly nextStep: string | undefined;
}

/** Error of one field. `pointer`: `/body/name`, `/query/limit`, `/params/id`. */
export const fieldErrorSchema = z.strictObject({ pointer: z.string(), message: z.string() });
export type FieldError = z.infer<typeof fieldErrorSchema>;

/** RFC 9457. Facts of a refusal (`current` of `staleVersion`, ...) stand beside these members. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    requestId: z.string(),
    detail: z.string().optional(),
    nextStep: z.string().optional(),
    errors: z.array(fieldErrorSchema).optional(),
  })
  .meta({
    id: 'Problem',
    description: 'RFC 9457 problem; the facts of the refusal stand beside these members',
  });

export interface Problem extends ProblemText {
  readonly code: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly errors?: readonly FieldError[];
  readonly retryAfterSeconds?: number;
}

export const platformProblem = (
  code: PlatformProblemCode,
  more: Pick<Problem, 'facts' | 'errors' | 'retryAfterSeconds'> = {},
): Problem => ({ code, ...platformProblems[code], ...more });

const textFact = (facts: Readonly<Record<string, unknown>>, name: string): string | undefined => {
  const fact = facts[name];
  return typeof fact === 'string' ? fact : undefined;
};

/**
 * A refusal's facts become members of the problem; `title` and `nextStep` among them replace the words of `text`,
 * and `retryAfterSeconds` becomes the Retry-After header too.
 */
export function refusalToProblem(refusal: Refusal, text: ProblemText): Problem {
  const { code, ...facts }: Refusal & Record<string, unknown> = { ...refusal };
  const retryAfter = facts['retryAfterSeconds'];
  return {
    code,
    status: text.status,
    title: textFact(facts, 'title') ?? text.title,
    nextStep: textFact(facts, 'nextStep') ?? text.nextStep,
    facts,
    ...(typeof retryAfter === 'number' ? { retryAfterSeconds: retryAfter } : {}),
  };
}

/** Maps a thrown error to a problem: two faults have their own, all others reveal nothing. */
export function errorToProblem(error: unknown): Problem {
  const code = error instanceof Fault ? error.code : undefined;
  if (code === 'storeBusy') return platformProblem('storeBusy', { retryAfterSeconds: 1 });
  if (code === 'diskFull') return platformProblem('diskFull');
  return platformProblem('internalError');
}

export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  return {
    ...problem.facts,
    type: `urn:makrcave:problem:${problem.code}`,
    title: problem.title,
    status: problem.status,
    code: problem.code,
    requestId,
    ...(problem.nextStep === undefined ? {} : { nextStep: problem.nextStep }),
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  };
}

/** Answers a Koa request with a problem. */
export function answerProblem(ctx: Context, problem: Problem, requestId: string): void {
  ctx.status = problem.status;
  ctx.body = JSON.stringify(problemBody(problem, requestId));
  ctx.set('Content-Type', 'application/problem+json');
  ctx.set('Cache-Control', 'no-store');
  // RFC 6750, 3. Browsers ask nobody for this scheme.
  if (problem.status === 401) ctx.set('WWW-Authenticate', 'Bearer realm="makrcave"');
  if (problem.retryAfterSeconds !== undefined)
    ctx.set('Retry-After', String(Math.max(1, Math.ceil(problem.retryAfterSeconds))));
}
