import type { z } from 'zod';
import type { Permitted } from '#hub/kernel/permission-catalog.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { PermissionName, RefusalCode } from '#hub/kernel/vocabulary.ts';
import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { FieldError } from './problem.ts';
import type { ProblemCatalog } from './problem-catalog.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Who is asking. `null` only at endpoints that are open. */
export interface Principal {
  /**
   * `service`: a service account by one of its tokens. `console`: the command line on the box itself, over a socket
   * that only its owner may open.
   */
  readonly kind: 'account' | 'service' | 'console';
  /** The account's or service account's id; `console` for the command line. */
  readonly accountId: string;
  readonly displayName: string;
  readonly permissions: Permitted;
  /** Id of the session or of the access token; `console`. */
  readonly sessionId: string;
}

export interface CallContext {
  readonly requestId: string;
  readonly remoteAddress: string;
  /** As the caller sent it; empty when it sent none. */
  readonly userAgent: string;
  /** The cookie `deviceCookieName`, whatever is in it. */
  readonly deviceToken?: string | undefined;
}

/** Required access: a permission, any signed-in account, or none, with the reason why that is safe. */
export type Access =
  | { readonly permission: PermissionName }
  | { readonly signedIn: true }
  | { readonly open: string };

type Empty = Readonly<Record<string, never>>;
type Parsed<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : Empty;

export interface Call<
  A extends Access,
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
> {
  readonly principal: A extends { open: string } ? Principal | null : Principal;
  readonly params: Parsed<P>;
  readonly query: Parsed<Q>;
  readonly body: Parsed<B>;
  readonly context: CallContext;
}

/** An answer with headers beside its body. */
export class Reply<T> {
  readonly body: T;
  /** Cookies are set with `Set-Cookie`. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Faults in single lines of the answer, for the log. */
  readonly faults: readonly unknown[];

  constructor(body: T, more: Partial<Pick<Reply<T>, 'headers' | 'faults'>> = {}) {
    this.body = body;
    this.headers = more.headers ?? {};
    this.faults = more.faults ?? [];
  }
}

/** A handler gives the body alone, or a `Reply`. The response schema parses the body. */
export type Answer<T> = T | Reply<T>;

/** The CSV export of a whole list, for callers who may read it as JSON. */
export interface CsvList<C> {
  /** Name of the file that a browser saves, without extension: `members`. */
  readonly fileName: string;
  /** The first line. */
  readonly columns: readonly string[];
  /**
   * All lines that fit the query, in pieces of UTF-8 that each end with a line; made only as fast as they are taken,
   * and no longer when the caller has gone. Paging does not apply. `delimiter` is what stands between cells.
   */
  lines(call: C, delimiter: CsvDelimiter): AsyncIterable<string | Uint8Array>;
}

/**
 * One endpoint as data: it is mounted as a route and printed as OpenAPI. `refusals` lists every refusal code that the
 * handler can return; a code left out does not compile. The status and the words belong to the code.
 */
export interface EndpointSpec<
  A extends Access,
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
  R extends z.ZodType,
  Code extends RefusalCode,
> {
  readonly method: Method;
  /** As in OpenAPI: `/api/members/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Details beyond the summary, as CommonMark; access and rate limit are added anyway. */
  readonly description?: string;
  readonly tag: string;
  readonly access: A;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** 200, or `status`. */
  readonly response: R;
  readonly status?: 200 | 201 | 202;
  readonly refusals: readonly Code[];
  /** Requests a minute per client address; the default suits a LAN kiosk. */
  readonly ratePerMinute?: number;
  /** The largest body, bytes; without it the limit of the whole interface. */
  readonly bodyLimitBytes?: number;
  /** The answer holds a secret: it is never kept for a repetition with the same Idempotency-Key. */
  readonly answerIsSecret?: true;
  /**
   * It acts on more than the store (a door, another server), so that a repetition with the same Idempotency-Key is never
   * carried out again, even when nobody knows how the first ended.
   */
  readonly actsOutside?: true;
  /** Served for `Accept: text/csv`. */
  readonly csv?: CsvList<Call<A, P, Q, B>>;
  handle(call: Call<A, P, Q, B>): Promise<Result<Answer<z.input<R>>, Refusal<NoInfer<Code>>>>;
}

/** Any endpoint, its types forgotten. */
export interface Endpoint {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly description: string | undefined;
  readonly tag: string;
  readonly access: Access;
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
  readonly response: z.ZodType;
  readonly status: number;
  readonly refusals: readonly RefusalCode[];
  readonly ratePerMinute: number;
  readonly bodyLimitBytes: number | undefined;
  readonly answerIsSecret: boolean;
  readonly actsOutside: boolean;
  /** The answer is one entity with a `version`, so that it has an ETag. */
  readonly isEntity: boolean;
  /** The body names the `version` that it changes, which If-Match may do in its place. */
  readonly takesVersion: boolean;
  /** Parameters of the query that may be given several times. */
  readonly repeatable: readonly string[];
  readonly csv: CsvList<ParsedCall> | undefined;
  /** Parses the body line by line where `body` is an array of lines that succeed or fail by themselves. */
  readonly parseBody: ((body: unknown) => ParsedBody) | undefined;
  /** Handles a call that this endpoint's own schemas have parsed. */
  invoke(call: ParsedCall, problems: ProblemCatalog): Promise<Result<Reply<unknown>, Refusal>>;
}

/** A call as it reaches an endpoint whose types were forgotten. */
export interface ParsedCall {
  readonly principal: Principal | null;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly context: CallContext;
}

export interface ParsedBody {
  readonly value: unknown;
  readonly errors: readonly FieldError[];
}
