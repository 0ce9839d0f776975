import createClient, {
  type Client,
  type ClientPathsWithMethod,
  type MaybeOptionalInit,
  type MethodResponse,
} from 'openapi-fetch';
import type { paths } from '../api/schema.d.ts';

/** The body that a successful GET of this path answers with. */
export type AnswerOf<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': infer Body } } } };
}
  ? Body
  : never;

/** A failed request: RFC 9457 problem details, or no response at all. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Public code, such as `staleVersion`; `unreachable` if there was no response. */
  readonly code: string;
  readonly nextStep: string | undefined;
  readonly requestId: string | undefined;
  readonly fields: readonly { readonly pointer: string; readonly message: string }[];
  /** The complete problem document, including members specific to its code. */
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

/** Maps field paths to messages: `/body/windows/0/endMinute` becomes `windows/0/endMinute`. */
export const fieldProblems = (problem: unknown): Record<string, string> =>
  problem instanceof ApiProblem
    ? Object.fromEntries(
        problem.fields.map(({ pointer, message }) => [pointer.replace(/^\/(body\/)?/, ''), message]),
      )
    : {};

/** Offset of the hub's clock from this device's in ms, by the latest response. */
let clockOffsetMs = 0;
/** Current time on the hub's clock, for countdowns to times set by the hub. */
export const hubNowMs = (): number => Date.now() + clockOffsetMs;

function updateClockOffset(response: Response): void {
  const hubMs = Date.parse(response.headers.get('date') ?? '');
  // Ignore small differences: the header has whole seconds, and the response took time to arrive.
  if (Number.isFinite(hubMs) && Math.abs(hubMs - Date.now()) > 3000) clockOffsetMs = hubMs - Date.now();
  else clockOffsetMs = 0;
}

let csrfToken = '';
let onSignedOut: () => void = () => undefined;
let onRowsLeftOut: (count: number) => void = () => undefined;

/** Sets the CSRF token of the session, sent with every write. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Registers the callback for a session that has ended. */
export function onSessionEnd(callback: () => void): void {
  onSignedOut = callback;
}

/** Registers the callback for a list from which the hub left rows out that it cannot show. */
export function onUnreadableRows(callback: (count: number) => void): void {
  onRowsLeftOut = callback;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';
type PathOf<M extends Verb> = ClientPathsWithMethod<Client<paths>, M>;
/** Parameters and body; optional if all of them are. */
type InitOf<P extends keyof paths, M extends Verb> =
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
    updateClockOffset(response);
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
 * Calls the API. Path, parameters, body and response are typed by the hub's OpenAPI document.
 * @throws ApiProblem when the hub refuses or cannot be reached
 */
export function api<M extends Verb, P extends PathOf<M>>(
  method: M,
  path: P,
  ...init: InitOf<P, M>
): Promise<MethodResponse<Client<paths, 'application/json'>, M, P>>;
export async function api(method: Verb, path: string, init?: object): Promise<unknown> {
  const { data: answer } = await client.request(method, path, { ...init });
  const data: unknown = answer;
  if (isRecord(data) && Array.isArray(data.unreadable) && data.unreadable.length > 0)
    onRowsLeftOut(data.unreadable.length);
  return data;
}

/**
 * Fetches a complete list as CSV, as spreadsheets here open it: with a byte order mark for UTF-8, and `;` between cells
 * where `semicolons` says so.
 * @throws ApiProblem when the hub refuses or cannot be reached
 */
export async function fetchCsv(
  path: string,
  query: Readonly<Record<string, string>>,
  semicolons: boolean,
): Promise<Blob> {
  const style = { delimiter: semicolons ? 'semicolon' : 'comma', bom: 'true' };
  const init = {
    params: { query: { ...query, ...style } },
    headers: { accept: 'text/csv' },
    parseAs: 'stream',
  } as const;
  const { response } = await client.request('get', path, { ...init });
  return new Blob([await response.blob()], { type: 'text/csv' });
}
