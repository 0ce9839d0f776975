import type { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import type { FieldError } from './problem.ts';

/** Maximum number of field errors in one answer. */
const maxErrors = 50;

export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}
export type ParsedRequest =
  | { readonly ok: true; readonly params: unknown; readonly query: unknown; readonly body: unknown }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** One step of a JSON pointer (RFC 6901). */
export const pointerStep = (step: PropertyKey): string =>
  `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;

function issueToErrors(issue: z.core.$ZodIssue, part: string): FieldError[] {
  const pointer = `/${part}${issue.path.map(pointerStep).join('')}`;
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      pointer: pointer + pointerStep(key.slice(0, 100)),
      message: 'is not known here',
    }));
  return [{ pointer, message: issue.message }];
}

const wording: z.core.$ZodErrorMap = (issue) =>
  issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : undefined;

/** Parses the value at `place` (`body/items/3`); lists every invalid field. */
export function parseAt(
  schema: z.ZodType,
  value: unknown,
  place: string,
): { readonly value: unknown; readonly errors: FieldError[] } {
  const parsed = schema.safeParse(value, { error: wording });
  if (parsed.success) return { value: parsed.data, errors: [] };
  return { value: undefined, errors: parsed.error.issues.flatMap((issue) => issueToErrors(issue, place)) };
}

/** Parses one part. Without a schema the part must be empty and becomes `{}`. */
function parsePart(
  schema: z.ZodType | undefined,
  value: unknown,
  part: string,
): { value: unknown; errors: FieldError[] } {
  if (schema === undefined) {
    const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    const sent = part === 'params' ? [] : names;
    return {
      value: {},
      errors: sent.map((name) => ({
        pointer: `/${part}${pointerStep(name.slice(0, 100))}`,
        message: 'is not known here',
      })),
    };
  }
  return parseAt(schema, value, part);
}

/** Parses params, query and body by the endpoint's own schemas; lists every invalid field at once. */
export function parseRequest(
  endpoint: Pick<Endpoint, 'params' | 'query' | 'body'> & Partial<Pick<Endpoint, 'parseBody'>>,
  raw: RawRequest,
): ParsedRequest {
  const params = parsePart(endpoint.params, raw.params, 'params');
  const query = parsePart(endpoint.query, raw.query, 'query');
  const body = endpoint.parseBody?.(raw.body) ?? parsePart(endpoint.body, raw.body, 'body');
  const errors = [...params.errors, ...query.errors, ...body.errors];
  if (errors.length > 0) return { ok: false, errors: errors.slice(0, maxErrors) };
  return { ok: true, params: params.value, query: query.value, body: body.value };
}
