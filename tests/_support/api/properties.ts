import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import type { Appliance } from '../appliance.ts';
import { type ApiRequest, type Operation, operationsOf, requestsTo } from './requests.ts';
import { isJson, type Json, type SchemaContext } from './schema-arbitrary.ts';
import { type ApiAnswer, canaries, makeWalkers, sendAs, type Walker } from './walkers.ts';

export interface PropertyRun {
  readonly requests: number;
  /** Operations of the document, all of which were asked. */
  readonly operations: number;
  /** How many answers had each status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** One text for each answer that is not as it must be. */
  readonly problems: readonly string[];
}

/** May end a session of who asks (signing in replaces it): only the leaver does that, whose sessions nothing else needs. */
const endsOwnSession = ({ method, path }: Operation): boolean =>
  /^(DELETE \/auth\/session|POST \/auth\/(logout|session))/.test(`${method} ${path}`);

/** Who has every right asks more often: the others mostly learn that they may not. */
const walkersOf = (operation: Operation, names: readonly string[]): string[] =>
  endsOwnSession(operation)
    ? ['leaver', 'nobody', 'forged']
    : [...names.filter((name) => name !== 'leaver'), 'console', 'owner', 'console', 'owner'];

type Pools = ReadonlyMap<string, readonly string[]>;

/**
 * The ids of everything that a list without parameters names, by the last word of its path. Who may change things gets
 * none of the walkers, the canary and the controller of the doors, so that these stay as they are.
 */
async function readPools(appliance: Appliance, operations: readonly Operation[]): Promise<[Pools, Pools]> {
  const all = new Map<string, string[]>();
  const expendable = new Map<string, string[]>();
  for (const { method, path } of operations) {
    if (method !== 'GET' || path.includes('{') || !path.startsWith('/api/') || path === '/api/events')
      continue;
    const { items } = (await appliance.console('GET', path)).json;
    if (!Array.isArray(items)) continue;
    const name = path.split('/').at(-1) ?? '';
    for (const item of items as unknown[]) {
      if (!isJson(item) || typeof item['id'] !== 'string') continue;
      all.set(name, [...(all.get(name) ?? []), item['id']]);
      const text = JSON.stringify(item).toLowerCase();
      if (!/walker-|canary|this box|super_admin/.test(text))
        expendable.set(name, [...(expendable.get(name) ?? []), item['id']]);
    }
  }
  return [all, expendable];
}

const contextOf = (document: Json, pools: Pools): SchemaContext => {
  const { schemas } = document['components'] as { schemas: Record<string, Json> };
  return {
    components: schemas,
    // `memberId` and `members` name the same; anything else may be anything.
    idsFor: (name) =>
      pools.get(name) ?? pools.get(`${name.replace(/Id$/, '')}s`) ?? [...pools.values()].flat(),
  };
};

/** Checks answers against the document. */
class Judge {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false });
  readonly #compiled = new Map<Json, ValidateFunction>();

  constructor(document: Json) {
    addFormats.default(this.#ajv);
    this.#ajv.addSchema({ $id: 'hub', components: document['components'] });
  }

  #misfit(schema: Json, value: unknown): string | null {
    let validate = this.#compiled.get(schema);
    if (validate === undefined) {
      validate = this.#ajv.compile(
        JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"hub#/components/')) as Json,
      );
      this.#compiled.set(schema, validate);
    }
    return validate(value) ? null : this.#ajv.errorsText(validate.errors);
  }

  /** What is wrong with an answer; null when nothing is. */
  judge(request: ApiRequest, walker: Walker, answer: ApiAnswer): string | null {
    const { status, headers, text } = answer;
    const leak = canaries.find(
      (canary) =>
        text.includes(canary.text) && !canary.allowed.some((right) => walker.permissions.has(right)),
    );
    if (leak !== undefined) return `tells ${leak.text}`;
    const mediaType = (headers['content-type'] ?? '').split(';')[0] ?? '';
    if (headers['x-request-id'] === undefined) return 'has no X-Request-ID';
    const isCrossSite = walker.headers['Sec-Fetch-Site'] === 'cross-site';
    if (isCrossSite && request.operation.method !== 'GET' && status < 400) return 'a write from another site';
    const isJsonAnswer = /[/+]json$/.test(mediaType);
    const value: unknown = isJsonAnswer ? JSON.parse(text) : text;
    const code = isJson(value) ? value['code'] : undefined;
    // An address that fits no endpoint is answered before any of them.
    if (
      request.strayPath &&
      [404, 405].includes(status) &&
      ['notFound', 'methodNotAllowed'].includes(String(code))
    )
      return null;
    const declared = request.operation.responses[String(status)];
    if (declared === undefined) return `status ${status} is not declared`;
    if (status === 500 || code === 'storeBusy' || code === 'diskFull') return 'broke';
    if (status === 304) return text === '' ? null : 'a body where none may be';
    const schema = declared.content?.[mediaType]?.schema;
    if (schema === undefined) return `media type ${mediaType || 'none'} is not declared for ${status}`;
    const misfit = this.#misfit(schema, value);
    if (misfit !== null) return misfit;
    if (status < 400 || mediaType !== 'application/problem+json')
      return status < 400 || status === 503 ? null : 'no problem';
    if (!isJson(value) || typeof value['nextStep'] !== 'string') return 'a problem without a next step';
    return null;
  }
}

const shorten = (text: string): string => (text.length > 600 ? `${text.slice(0, 600)}...` : text);

const describe = (request: ApiRequest, answer: ApiAnswer, problem: string): string =>
  [
    problem,
    `  ${request.walker}: ${request.operation.method} ${shorten(request.address)} (${request.operation.path})`,
    `  ${JSON.stringify(request.headers)} ${shorten(request.body ?? '')}`,
    `  -> ${answer.status} ${shorten(answer.text)}`,
  ].join('\n');

/** What the runs share: the walkers, the document, and who judges by it. */
export interface PropertyScene {
  readonly appliance: Appliance;
  readonly document: Json;
  readonly operations: readonly Operation[];
  readonly walkers: Readonly<Record<string, Walker>>;
}

export async function readDocument(appliance: Appliance): Promise<Json> {
  const answer = await fetch(`${appliance.url}/openapi.json`);
  return (await answer.json()) as Json;
}

/** The hub with its doors, claimed and furnished, and everybody who will ask. */
export async function preparePropertyScene(appliance: Appliance): Promise<PropertyScene> {
  await appliance.furnish();
  const document = await readDocument(appliance);
  const walkers = await makeWalkers(appliance);
  return { appliance, document, operations: operationsOf(document), walkers };
}

/**
 * Sends about `count` generated requests, as many to each operation, and judges every answer by the document. The same
 * seed sends the same requests, with other ids.
 */
export async function runProperties(
  scene: PropertyScene,
  { seed, count, atOnce }: { readonly seed: number; readonly count: number; readonly atOnce: number },
): Promise<PropertyRun> {
  const { appliance, document, operations, walkers } = scene;
  const judge = new Judge(document);
  const byStatus: Record<string, number> = {};
  const problems: string[] = [];
  let requests = 0;
  const perRound = 3;
  const rounds = Math.max(1, Math.ceil(count / (operations.length * perRound)));
  const ask = async (request: ApiRequest): Promise<void> => {
    const walker = walkers[request.walker];
    if (walker === undefined) throw new Error(`there is no ${request.walker}`);
    const { operation, address, headers, body } = request;
    const answer = await sendAs(walker, appliance.httpPort, {
      method: operation.method,
      address,
      headers,
      body,
    });
    requests += 1;
    byStatus[answer.status] = (byStatus[answer.status] ?? 0) + 1;
    const problem = judge.judge(request, walker, answer);
    if (problem !== null) problems.push(describe(request, answer, problem));
  };
  for (let round = 0; round < rounds; round += 1) {
    const [all, expendable] = await readPools(appliance, operations);
    const narrow = contextOf(document, all);
    const wide = contextOf(document, expendable);
    const queue: ApiRequest[] = [];
    for (const [index, operation] of operations.entries()) {
      const names = walkersOf(operation, Object.keys(walkers));
      const mayChange = (name: string): boolean => ['console', 'owner', 'leaver'].includes(name);
      const options = { seed: seed + round * 1009 + index, numRuns: perRound };
      const both = fc.oneof(
        requestsTo(operation, names.filter(mayChange), wide),
        requestsTo(
          operation,
          names.filter((name) => !mayChange(name)),
          narrow,
        ),
      );
      queue.push(...fc.sample(both, options));
    }
    const lanes = Array.from({ length: atOnce }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await ask(next);
    });
    await Promise.all(lanes);
  }
  return { requests, operations: operations.length, byStatus, problems };
}

/** Who is signed in no more: what they asked since has shown less than it seems. */
export async function findSignedOut({ appliance, walkers }: PropertyScene): Promise<string[]> {
  const asked = { method: 'GET', address: '/auth/session' };
  const gone: string[] = [];
  for (const name of ['owner', 'guest', 'things', 'events', 'program']) {
    const walker = walkers[name];
    if (walker === undefined || (await sendAs(walker, appliance.httpPort, asked)).status !== 200)
      gone.push(name);
  }
  return gone;
}
