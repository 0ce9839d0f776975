import { z } from 'zod';
import { assert, ok, type Refusal } from '#hub/kernel/result.ts';
import type { PermissionName, RefusalCode } from '#hub/kernel/vocabulary.ts';
import type { LineOutcome } from '#hub/store/transact-each.ts';
import { defineEndpoint } from './define-endpoint.ts';
import { type CallContext, type Endpoint, type ParsedBody, type Principal, Reply } from './endpoint.ts';
import { errorToProblem, type FieldError, platformProblem, problemBody, problemSchema } from './problem.ts';
import type { ProblemCatalog } from './problem-catalog.ts';
import { parseAt, pointerStep } from './request-parsing.ts';

const maxLines = 1000;
const bodyLimitBytes = 2 * 1024 * 1024;
const ratePerMinute = 30;

/** A POST with many lines, each of which succeeds or fails by itself. */
export interface BulkSpec<I extends z.ZodType, R extends z.ZodType, Code extends RefusalCode> {
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly access: { readonly permission: PermissionName };
  /** One line. */
  readonly item: I;
  /** Response of a successful line, with `lineStatus`. */
  readonly response: R;
  readonly lineStatus: 200 | 201;
  /** Refusals of a line. Pointers begin with `/body/`, as for a single request. */
  readonly refusals: readonly Code[];
  /** Handles the lines that fit the schema; returns one result for each, in order. */
  handleLines(
    call: { readonly principal: Principal; readonly context: CallContext },
    lines: readonly z.output<I>[],
  ): Promise<readonly LineOutcome<z.input<R>, Refusal<NoInfer<Code>>>[]>;
}

/** `handleLines` as a method of forgotten types: the item's schema stands between, see `defineEndpoint`. */
interface LineHandler {
  handleLines(
    call: { readonly principal: Principal; readonly context: CallContext },
    lines: readonly unknown[],
  ): Promise<readonly LineOutcome<unknown, Refusal>[]>;
}

type Line =
  | { readonly fits: true; readonly value: unknown }
  | { readonly fits: false; readonly errors: readonly FieldError[] };

const linesSchema = z.strictObject({ items: z.array(z.unknown()).min(1).max(maxLines) });
const isLines = (body: unknown): body is readonly Line[] => Array.isArray(body);

/** Deeper than the fields of any line. */
const maxDepth = 10;

/** Finds a text with half of a surrogate pair, which also marks bytes that are not UTF-8; returns its pointer. */
function findBrokenText(value: unknown, pointer: string, depth = 0): string | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : pointer;
  if (typeof value !== 'object' || value === null || depth === maxDepth) return null;
  for (const [name, part] of Object.entries(value)) {
    const found = name.isWellFormed()
      ? findBrokenText(part, pointer + pointerStep(name), depth + 1)
      : pointer;
    if (found !== null) return found;
  }
  return null;
}

function parseLines(item: z.ZodType, body: unknown): ParsedBody {
  const whole = linesSchema.safeParse(body);
  if (!whole.success) return parseAt(linesSchema, body, 'body');
  const lines: Line[] = whole.data.items.map((value, index) => {
    const broken = findBrokenText(value, `/body/items/${index}`);
    if (broken !== null)
      return { fits: false, errors: [{ pointer: broken, message: 'is not encoded as UTF-8' }] };
    const parsed = parseAt(item, value, `body/items/${index}`);
    return parsed.errors.length === 0
      ? { fits: true, value: parsed.value }
      : { fits: false, errors: parsed.errors };
  });
  return { value: lines, errors: [] };
}

const errorsSchema = z.array(z.strictObject({ pointer: z.string(), message: z.string() }));

/** Renders the refusal of one line, with pointers into the whole body. */
function placeErrors(refusal: Refusal, index: number): Refusal {
  const errors = errorsSchema.safeParse(Reflect.get(refusal, 'errors'));
  if (!errors.success) return refusal;
  const placed = errors.data.map(({ pointer, message }) => ({
    pointer: pointer.replace(/^\/body(?=\/|$)/, `/body/items/${index}`),
    message,
  }));
  return Object.assign({ ...refusal }, { errors: placed });
}

function lineProblem(
  line: Line,
  outcome: LineOutcome<unknown, Refusal> | undefined,
  index: number,
  problems: ProblemCatalog,
) {
  if (!line.fits) return platformProblem('invalidRequest', { errors: line.errors });
  assert(outcome !== undefined && !outcome.ok, 'a line that did not succeed was refused or broke');
  if ('fault' in outcome) return errorToProblem(outcome.fault);
  return problems.ofRefusal(placeErrors(outcome.refusal, index));
}

/**
 * The endpoint of a bulk request: `{ items }` in, `{ results, succeeded, failed }` out, with 200 as soon as the request
 * itself was understood; how each line fared is in its result. At most 1000 lines.
 */
export function defineBulkEndpoint<I extends z.ZodType, R extends z.ZodType, Code extends RefusalCode>(
  spec: BulkSpec<I, R, Code>,
): Endpoint {
  const handler: LineHandler = spec;
  const resultSchema = z.strictObject({
    index: z.number().int().min(0).meta({ description: 'Of the line in `items`, from 0' }),
    status: z.number().int().meta({ description: 'As if the line had been sent alone' }),
    body: spec.response.optional(),
    problem: problemSchema.optional(),
  });
  const endpoint = defineEndpoint({
    method: 'POST',
    path: spec.path,
    summary: spec.summary,
    tag: spec.tag,
    access: spec.access,
    body: z.strictObject({ items: z.array(spec.item).min(1).max(maxLines) }),
    response: z.strictObject({
      results: z.array(resultSchema),
      succeeded: z.number().int().min(0),
      failed: z.number().int().min(0),
    }),
    bodyLimitBytes,
    ratePerMinute,
    refusals: [],
    handle: () => Promise.reject(new Error('assertion failed: lines are handled below')),
  });
  return {
    ...endpoint,
    parseBody: (body) => parseLines(spec.item, body),
    async invoke({ principal, body, context }, problems) {
      assert(principal !== null && isLines(body), 'lines of somebody');
      const fitting = body.flatMap((line) => (line.fits ? [line.value] : []));
      const outcomes = [...(await handler.handleLines({ principal, context }, fitting))];
      assert(outcomes.length === fitting.length, `${spec.path} answers for each line`);
      const faults: unknown[] = [];
      const results = body.map((line, index) => {
        const outcome = line.fits ? outcomes.shift() : undefined;
        if (outcome?.ok === true) return { index, status: spec.lineStatus, body: outcome.value };
        if (outcome !== undefined && 'fault' in outcome) faults.push(outcome.fault);
        const problem = lineProblem(line, outcome, index, problems);
        return { index, status: problem.status, problem: problemBody(problem, context.requestId) };
      });
      const failed = results.filter((result) => 'problem' in result).length;
      return ok(new Reply({ results, succeeded: results.length - failed, failed }, { faults }));
    },
  };
}
