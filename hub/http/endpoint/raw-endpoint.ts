import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { z } from 'zod';
import type { Caller } from './auth.ts';
import type { Access, CallContext, Principal } from './endpoint.ts';
import type { Problem } from './problem.ts';

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

/** Complete answer of a raw endpoint; `serve` may instead take the response over and write it itself. */
export interface RawReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface RawCall {
  readonly principal: Principal | null;
  readonly caller: Caller;
  readonly context: CallContext;
  /** As it was sent; a name that was given twice has a list. */
  readonly query: Readonly<Record<string, unknown>>;
  readonly request: AnyRequest;
  readonly response: AnyResponse;
}

/** A GET whose answer is no JSON object of a schema: a stream of events, a certificate, a document. */
export interface RawEndpoint {
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** More than the summary, in Markdown; for OpenAPI. */
  readonly description?: string;
  readonly access: Access;
  readonly ratePerMinute: number;
  /** Its parameters, for OpenAPI; `serve` parses them itself. Without it whatever is sent is ignored. */
  readonly query?: z.ZodType;
  /** Media type of the answer, for OpenAPI. */
  readonly mediaType: string;
  readonly response: z.ZodType;
  /** Other statuses with their meanings, for OpenAPI. */
  readonly otherStatuses?: Readonly<Record<number, string>>;
  /** null: the response was taken over. */
  serve(call: RawCall): Promise<RawReply | { readonly problem: Problem } | null>;
}
