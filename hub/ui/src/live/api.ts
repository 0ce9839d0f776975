import createClient, {
  type Client,
  type ClientPathsWithMethod,
  type MaybeOptionalInit,
  type MethodResponse,
} from 'openapi-fetch';
import type { paths } from '../api/schema.d.ts';

/** What the hub answered instead of what was asked: RFC 9457 problem details, or no answer at all. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Public code, for example `staleVersion`; `unreachable` when the hub did not answer. */
  readonly code: string;
  readonly nextStep: string | undefined;
  readonly requestId: string | undefined;
  readonly fields: readonly { readonly pointer: string; readonly message: string }[];
  /** The whole problem, with the facts that belong to its code. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(status: number, facts: Readonly<Record<string, unknown>>) {
    const text = (name: string): string | undefined => {
      const value = facts[name];
      return typeof value === 'string' ? value : undefined;
    };
    const code = text('code') ?? 'unknown';
    super(text('title') ?? 'The hub refused this.');
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.nextStep = text('nextStep');
    this.requestId = text('requestId');
    this.fields = Array.isArray(facts.errors)
      ? facts.errors.filter(
          (entry): entry is { pointer: string; message: string } =>
            typeof entry === 'object' && entry !== null && 'pointer' in entry && 'message' in entry,
        )
      : [];
    this.facts = facts;
  }
}

/** Problems of a form's fields by the field's path: `/body/windows/0/endMinute` -> `windows/0/endMinute`. */
export const fieldProblems = (problem: unknown): Record<string, string> =>
  problem instanceof ApiProblem
    ? Object.fromEntries(
        problem.fields.map(({ pointer, message }) => [pointer.replace(/^\/(body\/)?/, ''), message]),
      )
    : {};

/** How far the hub's clock is ahead of this device's, ms, as its last answer said. */
let hubAheadMs = 0;
/** The time by the hub's clock: what ends at a moment that the hub named is counted down by it. */
export const hubNowMs = (): number => Date.now() + hubAheadMs;

function learnHubTime(response: Response): void {
  const hubMs = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds and the answer has travelled: only a clock that is really off counts.
  if (Number.isFinite(hubMs) && Math.abs(hubMs - Date.now()) > 3000) hubAheadMs = hubMs - Date.now();
  else hubAheadMs = 0;
}

let csrfToken = '';
let onSignedOut: () => void = () => undefined;

/** The token that every write must carry; it comes with the session. */
export function useCsrfToken(token: string): void {
  csrfToken = token;
}

/** Called when the hub says that nobody is signed in any more. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';
type PathOf<M extends Verb> = ClientPathsWithMethod<Client<paths>, M>;
/** Parameters and body, as the third argument; it may be left out where all of them may. */
type Asked<P extends keyof paths, M extends Verb> =
  undefined extends MaybeOptionalInit<paths[P], M>
    ? [init?: MaybeOptionalInit<paths[P], M>]
    : [init: MaybeOptionalInit<paths[P], M>];

const client = createClient<Record<string, Record<Verb, object>>>();
client.use({
  onRequest({ request }) {
    if (!request.headers.has('accept')) request.headers.set('accept', 'application/json');
    if (request.method !== 'GET') request.headers.set('x-csrf-token', csrfToken);
    return request;
  },
  async onResponse({ response, schemaPath }) {
    learnHubTime(response);
    if (response.ok) return;
    if (response.status === 401 && schemaPath !== '/auth/session') onSignedOut();
    const problem: unknown = await response.json().catch(() => ({}));
    throw new ApiProblem(response.status, isRecord(problem) ? problem : {});
  },
  onError: () =>
    new ApiProblem(0, {
      code: 'unreachable',
      title: 'The hub does not answer.',
      nextStep: 'Check that this device is on the same network; the doors go on without this page.',
    }),
});

/**
 * Asks the hub. Path, parameters, body and answer are those of the hub's own document: a wrong one does not compile.
 * @throws ApiProblem when the hub refuses or cannot be reached
 */
export function api<M extends Verb, P extends PathOf<M>>(
  method: M,
  path: P,
  ...init: Asked<P, M>
): Promise<MethodResponse<Client<paths, 'application/json'>, M, P>>;
export async function api(method: Verb, path: string, init?: object): Promise<unknown> {
  const { data } = await client.request(method, path, { ...init });
  return data;
}

/**
 * A whole list as CSV, for a spreadsheet on this device: those take UTF-8 only with a mark in front.
 * @throws ApiProblem when the hub refuses or cannot be reached
 */
export async function fetchCsv(path: string, query: Readonly<Record<string, string>>): Promise<Blob> {
  const init = { params: { query }, headers: { accept: 'text/csv' }, parseAs: 'stream' } as const;
  const { response } = await client.request('get', path, { ...init });
  return new Blob(['\ufeff', await response.blob()], { type: 'text/csv' });
}
