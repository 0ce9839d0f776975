import type { Access } from '../endpoint/endpoint.ts';
import {
  type PlatformProblemCode,
  platformProblems,
  problemBody,
  refusalToProblem,
} from '../endpoint/problem.ts';
import type { ProblemCatalog } from '../endpoint/problem-catalog.ts';
import { componentRef, type Json } from './schemas.ts';

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
  ETag: {
    description: 'Names this state of the entity, for If-Match and If-None-Match',
    schema: { type: 'string' },
    example: '"3-Qm9vdGhfMTIzNDU2"',
  },
  'Idempotency-Replayed': {
    description: '`true`: the answer that the same Idempotency-Key got before',
    schema: { type: 'string' },
    example: 'true',
  },
  'Retry-After': {
    description: 'Seconds to wait before the next try',
    schema: { type: 'integer', minimum: 1 },
    example: 2,
  },
};

/** Headers and parameters that many operations take, as the document's components. */
export const parameterComponents: Json = {
  delimiter: {
    name: 'delimiter',
    in: 'query',
    description:
      'With text/csv: what stands between cells. Spreadsheets where a decimal comma is written expect `semicolon`',
    schema: { type: 'string', enum: ['comma', 'semicolon', 'tab'], default: 'comma' },
  },
  bom: {
    name: 'bom',
    in: 'query',
    description: 'With text/csv: `true` puts a byte order mark in front, by which spreadsheets know UTF-8',
    schema: { type: 'string', enum: ['true', 'false'], default: 'false' },
  },
  'Idempotency-Key': {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Carries the write out once: for 24 hours the same request with the same key gets the first answer again. ' +
      '1 to 255 visible ASCII characters, best a random UUID',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '6f1c2b1e-5f7a-4a55-9f57-2f0b7c1d9e3a',
  },
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description: 'The ETag of what is changed; takes the place of `version` in the body',
    schema: { type: 'string' },
    example: '"3-Qm9vdGhfMTIzNDU2"',
  },
  'If-None-Match': {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of what is known already: the answer is then 304 without a body',
    schema: { type: 'string' },
    example: '"3-Qm9vdGhfMTIzNDU2"',
  },
};

export const parameterRef = (
  name: 'Idempotency-Key' | 'If-Match' | 'If-None-Match' | 'delimiter' | 'bom',
): Json => ({
  $ref: `#/components/parameters/${name}`,
});

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

/** Properties of an endpoint that decide which platform problems it may answer. */
export interface EndpointTraits {
  readonly access: Access;
  readonly method: string;
  /** Parameters or a query. */
  readonly takesInput: boolean;
  readonly takesVersion: boolean;
  readonly hasCsv: boolean;
  /** Takes only what it describes, and looks at Accept; a raw endpoint does neither. */
  readonly isParsed: boolean;
}

const writeCodes = [
  'csrfFailed',
  'malformedJson',
  'bodyNotUtf8',
  'bodyTooLarge',
  'bodyNotJson',
  'diskFull',
  'preconditionInvalid',
  'idempotencyKeyInvalid',
  'idempotencyKeyReused',
  'idempotencyKeyInUse',
  'idempotencyOutcomeUnknown',
  'idempotencyAnswerNotKept',
] as const;

/** The codes that the platform may answer with. */
export function platformCodes(traits: EndpointTraits): PlatformProblemCode[] {
  const { access } = traits;
  const isWrite = traits.method !== 'GET';
  return [
    ...(traits.takesInput || traits.isParsed ? (['invalidRequest'] as const) : []),
    'credentialsAmbiguous',
    ...('open' in access
      ? []
      : (['signInRequired', 'sessionExpired', 'accessTokenExpired', 'credentialsInvalid'] as const)),
    ...('permission' in access ? (['permissionMissing'] as const) : []),
    ...(traits.isParsed ? (['notAcceptable'] as const) : []),
    ...(isWrite ? writeCodes : []),
    ...(isWrite && traits.takesVersion ? (['ifMatchDiffers', 'preconditionFailed'] as const) : []),
    ...(traits.hasCsv ? (['tooManyExports'] as const) : []),
    'tooManyRequests',
    'tooManyAtOnce',
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
  notAcceptable: { offered: ['application/json', 'text/csv'] },
  preconditionInvalid: { header: 'If-Match' },
  ifMatchDiffers: { ifMatchVersion: 4, bodyVersion: 3 },
  idempotencyOutcomeUnknown: { firstAt: '2026-11-23T17:42:05.000Z' },
  idempotencyAnswerNotKept: { firstAt: '2026-11-23T17:42:05.000Z', firstStatus: 201 },
  bodyTooLarge: { limitBytes: 262_144 },
};

/** A code with the status that it is answered with here, and facts beyond those of its catalog entry. */
interface ExampleRequest {
  readonly code: string;
  readonly status: number;
  readonly facts: Json;
}

/** Answers that are the same wherever the same codes may be answered, by name: the document stays a fifth as long. */
export type SharedResponses = Map<string, Json>;

/** A problem document as the hub answers it. */
function describeExample(problems: ProblemCatalog, { code, status, facts }: ExampleRequest): Json {
  const { title, nextStep, facts: usual } = problems.of(code);
  const more = isPlatformCode(code) ? platformFacts[code] : usual;
  const problem = refusalToProblem({ code, ...more, ...facts }, { status, title, nextStep });
  return { summary: title, value: problemBody(problem, requestId) };
}

/** @param current what is there now, for the codes that tell it */
function describeProblem(
  problems: ProblemCatalog,
  status: number,
  codes: readonly string[],
  current: unknown,
): Json {
  const saysWhen = status === 429 || status === 503 || codes.includes('idempotencyKeyInUse');
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    headers: headersOf(...(saysWhen ? ['Retry-After'] : [])),
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
            describeExample(problems, { code, status, facts: code === 'staleVersion' ? { current } : {} }),
          ]),
        ),
      },
    },
  };
}

export interface ProblemResponses {
  readonly problems: ProblemCatalog;
  readonly responses: SharedResponses;
  /** Every code with the status that it is answered with. */
  readonly codes: readonly (readonly [code: string, status: number])[];
  /** An example of what the operation answers when it is done. */
  readonly done: unknown;
}

/** Every status that is a problem, with the codes that it may carry and an example of each. */
export function describeProblems({ problems, responses, codes, done }: ProblemResponses): Json {
  const codesByStatus = new Map<number, Set<string>>();
  for (const [code, status] of codes)
    codesByStatus.set(status, (codesByStatus.get(status) ?? new Set()).add(code));
  return Object.fromEntries(
    [...codesByStatus].map(([status, found]) => {
      const sorted = [...found].sort();
      // What is there now is a thing of the operation's own kind.
      if (found.has('staleVersion')) return [String(status), describeProblem(problems, status, sorted, done)];
      const name = [status, ...sorted].join('.');
      if (!responses.has(name)) responses.set(name, describeProblem(problems, status, sorted, undefined));
      return [String(status), { $ref: `#/components/responses/${name}` }];
    }),
  );
}
