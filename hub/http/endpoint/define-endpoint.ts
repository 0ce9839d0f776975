import { z } from 'zod';
import { assert, ok, type Refusal, type Result } from '#hub/kernel/result.ts';
import type { RefusalCode } from '#hub/kernel/vocabulary.ts';
import {
  type Access,
  type CsvList,
  type Endpoint,
  type EndpointSpec,
  type ParsedCall,
  Reply,
} from './endpoint.ts';

/** Requests a minute for one client address, where an endpoint names no limit of its own: ample for a LAN kiosk. */
export const defaultRatePerMinute = 600;

/** `handle` as a method, so that TypeScript compares its argument both ways: the schemas of the same spec stand between. */
interface Handler {
  handle(call: ParsedCall): Promise<Result<unknown, Refusal>>;
  readonly csv?: CsvList<ParsedCall>;
}

const hasField = (schema: z.ZodType | undefined, name: string): boolean =>
  schema instanceof z.ZodObject && name in schema.shape;

/** True for a list of values, with or without a default. */
function isArray(schema: unknown): boolean {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return isArray(schema.def.innerType);
  return schema instanceof z.ZodArray;
}

const repeatableOf = (query: z.ZodType | undefined): readonly string[] =>
  query instanceof z.ZodObject
    ? Object.entries(query.shape).flatMap(([name, schema]) => (isArray(schema) ? [name] : []))
    : [];

/**
 * One endpoint from its typed description. The types of `params`, `query`, `body` and the answer are checked here and
 * forgotten; at run time the app parses what comes in by the same schemas before it calls `invoke`.
 */
export function defineEndpoint<
  A extends Access,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  R extends z.ZodType = z.ZodType,
  Code extends RefusalCode = never,
>(spec: EndpointSpec<A, P, Q, B, R, Code>): Endpoint {
  const handler: Handler = spec;
  return {
    method: spec.method,
    path: spec.path,
    summary: spec.summary,
    description: spec.description,
    tag: spec.tag,
    access: spec.access,
    params: spec.params,
    query: spec.query,
    body: spec.body,
    response: spec.response,
    status: spec.status ?? 200,
    refusals: spec.refusals,
    ratePerMinute: spec.ratePerMinute ?? defaultRatePerMinute,
    bodyLimitBytes: spec.bodyLimitBytes,
    answerIsSecret: spec.answerIsSecret ?? false,
    actsOutside: spec.actsOutside ?? false,
    isEntity: hasField(spec.response, 'id') && hasField(spec.response, 'version'),
    takesVersion: hasField(spec.body, 'version'),
    repeatable: repeatableOf(spec.query),
    csv: handler.csv,
    parseBody: undefined,
    async invoke(call) {
      assert(
        'open' in spec.access || call.principal !== null,
        `${spec.method} ${spec.path} is called by nobody`,
      );
      const result = await handler.handle(call);
      if (!result.ok) return result;
      return ok(result.value instanceof Reply ? result.value : new Reply(result.value));
    },
  };
}
