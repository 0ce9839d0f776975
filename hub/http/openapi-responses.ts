import type { Access } from './endpoint.ts';
import { componentRef, type Json } from './openapi-schemas.ts';
import { type PlatformProblemCode, platformProblems, problemBody, refusalToProblem } from './problem.ts';
import { problemTexts } from './problem-texts.ts';

const requestId = 'f3b0c1de-6a52-4d0e-9c51-0d7c1a2b3c4d';

/** The headers of the hub's answers, as the document's components. */
export const headerComponents: Json = {
  'X-Request-ID': {
    description: 'Names this request in the log; the caller’s own id where it sent a harmless one',
    schema: { type: 'string' },
    example: requestId,
  },
  'X-Response-Time': {
    description: 'How long the hub took, in milliseconds, with the unit',
    schema: { type: 'string' },
    example: '3.2ms',
  },
  'X-RateLimit-Limit': {
    description: 'Requests a minute that one address may make here',
    schema: { type: 'integer' },
    example: 600,
  },
  'X-RateLimit-Remaining': {
    description: 'Requests that are left of them in this minute',
    schema: { type: 'integer' },
    example: 597,
  },
  'X-RateLimit-Reset': {
    description: 'When the minute ends, seconds since 1970 (UTC)',
    schema: { type: 'integer' },
    example: 1795456980,
  },
  'Retry-After': {
    description: 'Seconds to wait before the next try',
    schema: { type: 'integer', minimum: 1 },
    example: 2,
  },
};

const headerRef = (name: string): readonly [string, Json] => [name, { $ref: `#/components/headers/${name}` }];

/** The headers that every answer of an endpoint carries, and `more` of them. */
export const headersOf = (...more: readonly string[]): Json =>
  Object.fromEntries(
    [
      'X-Request-ID',
      'X-Response-Time',
      'X-RateLimit-Limit',
      'X-RateLimit-Remaining',
      'X-RateLimit-Reset',
      ...more,
    ].map(headerRef),
  );

/** What the platform may answer before or instead of such an endpoint. */
export function platformCodes(access: Access, method: string, takesInput: boolean): PlatformProblemCode[] {
  const isWrite = method !== 'GET';
  return [
    ...(takesInput || isWrite ? (['invalidRequest'] as const) : []),
    ...('open' in access
      ? []
      : (['signInRequired', 'sessionExpired', 'accessTokenExpired', 'credentialsInvalid'] as const)),
    ...('permission' in access ? (['permissionMissing'] as const) : []),
    ...(isWrite ? (['csrfFailed', 'malformedJson', 'bodyTooLarge', 'bodyNotJson', 'diskFull'] as const) : []),
    'credentialsAmbiguous',
    'tooManyRequests',
    'internalError',
    'storeBusy',
  ];
}

const isPlatformCode = (code: string): code is PlatformProblemCode => code in platformProblems;

/** Facts and field errors as the platform's own problems carry them. */
const platformFacts: Partial<Record<PlatformProblemCode, Json>> = {
  invalidRequest: {
    errors: [{ pointer: '/query/limit', message: 'Too big: expected number to be <=200' }],
  },
  permissionMissing: { permission: 'member.manage' },
  bodyTooLarge: { limitBytes: 262_144 },
};

/** A problem document as the hub answers it. */
function exampleProblem(code: string, status: number, facts: Json): Json {
  if (isPlatformCode(code))
    return problemBody({ code, ...platformProblems[code], facts: { ...platformFacts[code] } }, requestId);
  return problemBody(refusalToProblem({ code, ...problemTexts[code]?.facts, ...facts }, status), requestId);
}

/** Answers that are the same wherever the same codes may be answered, by name: the document stays a fifth as long. */
export type SharedResponses = Map<string, Json>;

function describeExample(code: string, status: number, facts: Json): Json {
  const summary = isPlatformCode(code) ? platformProblems[code].title : (problemTexts[code]?.title ?? code);
  return { summary, value: exampleProblem(code, status, facts) };
}

/** @param current what is there now, for the codes that tell it */
function describeProblem(status: number, codes: readonly string[], current: unknown): Json {
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    headers: headersOf(...(status === 429 || status === 503 ? ['Retry-After'] : [])),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: componentRef('Problem') },
            { type: 'object', properties: { code: { enum: codes } } },
          ],
        },
        examples: Object.fromEntries(
          codes.map((code) => [
            code,
            describeExample(code, status, code === 'staleVersion' ? { current } : {}),
          ]),
        ),
      },
    },
  };
}

export interface ProblemResponses {
  readonly responses: SharedResponses;
  /** Every code with the status that it is answered with. */
  readonly codes: readonly (readonly [code: string, status: number])[];
  /** An example of what the operation answers when it is done. */
  readonly done: unknown;
}

/** Every status that is a problem, with the codes that it may carry and an example of each. */
export function describeProblems({ responses, codes, done }: ProblemResponses): Json {
  const codesByStatus = new Map<number, Set<string>>();
  for (const [code, status] of codes)
    codesByStatus.set(status, (codesByStatus.get(status) ?? new Set()).add(code));
  return Object.fromEntries(
    [...codesByStatus].map(([status, found]) => {
      const sorted = [...found].sort();
      // What is there now is a thing of the operation's own kind.
      if (found.has('staleVersion')) return [String(status), describeProblem(status, sorted, done)];
      const name = [status, ...sorted].join('.');
      if (!responses.has(name)) responses.set(name, describeProblem(status, sorted, undefined));
      return [String(status), { $ref: `#/components/responses/${name}` }];
    }),
  );
}
