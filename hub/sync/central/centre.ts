import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import type { CentralClient } from './connection.ts';

/** Credentials of this hub at the centre. */
export interface Identity {
  readonly siteId: string;
  readonly hubId: string;
  readonly token: Uint8Array;
}

/** Why the centre denies this hub. */
type Denial = 'tokenWrong' | 'roleWrong' | 'revoked' | 'fenced';
const denialSchema = z.union([
  z.object({ status: z.literal('denied'), reason: z.enum(['tokenWrong', 'roleWrong', 'revoked']) }),
  z.object({ status: z.literal('fenced') }),
]);

/** The centre denies this hub every request. */
export class CentreDenied extends Error {
  readonly code: Denial;

  constructor(code: Denial) {
    super(`the centre refuses this hub: ${code}`);
    this.code = code;
  }
}

const seq = z.number().int();
const chain = z.string().regex(/^[0-9a-f]{64}$/);

const helloSchema = z.object({
  status: z.literal('ok'),
  epoch: seq,
  instance: z.uuid(),
  last_seq: seq,
  chain,
  head: seq,
  cid: z.uuid().nullable(),
  floor: seq,
  schema: z.tuple([seq, seq]),
  now_ms: seq,
  clock_ahead_ms: seq,
});
export type Hello = z.infer<typeof helloSchema>;

const deadSchema = z.array(z.object({ seq, sqlstate: z.string(), message: z.string() }));
export type DeadOperation = z.infer<typeof deadSchema>[number];
const pushSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ok'), last_seq: seq, dead: deadSchema }),
  z.object({ status: z.literal('gap'), last_seq: seq }),
  z.object({ status: z.literal('fork'), last_seq: seq }),
]);
export type PushAnswer = z.infer<typeof pushSchema>;

/** A value of a column, as JSON has it. */
export type PlainValue = null | string | number;
const isPlainValue = (value: unknown): value is PlainValue =>
  value === null || typeof value === 'string' || typeof value === 'number';
const columnValue = z.custom<PlainValue>(isPlainValue);
type PlainRows = readonly (readonly PlainValue[])[];
// A snapshot is millions of values: one check of all instead of a schema for each.
const rowsOfValues = z.custom<PlainRows>(
  (rows) => Array.isArray(rows) && rows.every((row) => Array.isArray(row) && row.every(isPlainValue)),
);
const changeSchema = z.tuple([
  seq,
  z.uuid(),
  z.string(),
  z.uuid(),
  z.enum(['insert', 'update', 'delete']),
  z.record(z.string(), columnValue),
  seq,
  z.uuid().nullable(),
  seq.nullable(),
  seq.nullable(),
]);
const pullSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ok'), head: seq, changes: z.array(changeSchema) }),
  z.object({ status: z.literal('snapshotRequired') }),
  z.object({ status: z.literal('streamFork') }),
]);

/** One change of the centre's stream. */
export interface CentralChange {
  readonly seq: number;
  readonly cid: string;
  readonly tbl: string;
  readonly pk: string;
  readonly set: Readonly<Record<string, PlainValue>>;
  readonly hlc: number;
  readonly originHub: string | null;
  readonly originEpoch: number | null;
  readonly originSeq: number | null;
}
export type PullAnswer =
  | Exclude<z.infer<typeof pullSchema>, { status: 'ok' }>
  | { readonly status: 'ok'; readonly head: number; readonly changes: readonly CentralChange[] };

const snapshotSchema = z.object({
  status: z.literal('ok'),
  head: seq,
  cid: z.uuid().nullable(),
  tables: z.array(z.string()),
  columns: z.array(z.string()).nullable(),
});
export interface SnapshotAnswer extends z.infer<typeof snapshotSchema> {
  readonly rows: PlainRows;
}

const marksSchema = z.object({ status: z.literal('ok'), marks: z.array(z.tuple([seq, chain])) });
const beginSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ok'), epoch: seq }),
  z.object({ status: z.literal('stale'), epoch: seq }),
]);
const plainSchema = z.object({ status: z.literal('ok') });

const codeSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('codeWrong') }),
  z.object({
    status: z.literal('ok'),
    site: z.uuid(),
    site_name: z.string(),
    hub: z.uuid(),
    hub_name: z.string(),
    head: seq,
    epoch: seq,
    /** The id of the space whose rows are there; null: there are none yet. */
    space: z.uuid().nullable(),
  }),
]);
export type CodeAnswer = z.infer<typeof codeSchema>;

/** Operations of the outbox from `from` to `to`, as they go up. */
export interface PushBatch {
  readonly from: number;
  readonly to: number;
  /** The chain (hex) before and after them. */
  readonly prev: string;
  readonly end: string;
  /** JSON list: [seq, tbl, pk, op, set, base, hlc, erases] of each operation on a state table. */
  readonly ops: string;
  /** JSON list of `Segment`: rows of append tables. */
  readonly segments: string;
  /** The bytes that the segments refer to. */
  readonly bytes: Uint8Array;
}

/** The functions of the centre that a hub may call (`migrations/postgres`). Throws `CentreDenied`; Faults: `CentralFault`. */
export class Centre {
  readonly #client: CentralClient;

  constructor(client: CentralClient) {
    this.#client = client;
  }

  hello(who: Identity, release: string, schemaNumber: number, nowMs: number): Promise<Hello> {
    return this.#call(helloSchema, 'hello', who, [release, schemaNumber, nowMs]);
  }

  push(who: Identity, epoch: number, batch: PushBatch): Promise<PushAnswer> {
    return this.#call(pushSchema, 'push', who, [
      epoch,
      batch.from,
      batch.to,
      Buffer.from(batch.prev, 'hex'),
      Buffer.from(batch.end, 'hex'),
      batch.ops,
      batch.segments,
      batch.bytes,
    ]);
  }

  /** Rows of append tables that no operation of the outbox brings. */
  addRows(who: Identity, epoch: number, segments: string, bytes: Uint8Array) {
    return this.#call(plainSchema, 'add_rows', who, [epoch, segments, bytes]);
  }

  async pull(who: Identity, after: number, cid: string | null, limit: number): Promise<PullAnswer> {
    const answer = await this.#call(pullSchema, 'pull', who, [after, cid, limit]);
    if (answer.status !== 'ok') return answer;
    const changes = answer.changes.map(
      ([number, changeId, tbl, pk, , set, hlc, originHub, originEpoch, originSeq]) => ({
        seq: number,
        cid: changeId,
        tbl,
        pk,
        set,
        hlc,
        originHub,
        originEpoch,
        originSeq,
      }),
    );
    return { status: 'ok', head: answer.head, changes };
  }

  async snapshot(who: Identity, tbl: string, after: string | null, limit: number): Promise<SnapshotAnswer> {
    const values = [who.siteId, who.hubId, who.token, tbl, after, limit];
    const { rows } = await this.#client.query(
      'select answer from sync.snapshot($1, $2, $3, $4, $5, $6) answer',
      values,
    );
    const [first, ...lines] = rows.map(answerOf);
    const read: unknown = JSON.parse(`[${lines.join(',')}]`);
    return {
      ...readAnswer(snapshotSchema, 'snapshot', first),
      rows: readAnswer(rowsOfValues, 'snapshot', read),
    };
  }

  /** Where batches of an epoch ended, newest first, at or before a number: [number, chain]. */
  marks(who: Identity, epoch: number, atMost: number) {
    return this.#call(marksSchema, 'marks', who, [epoch, atMost, 1000]);
  }

  beginEpoch(
    who: Identity,
    next: {
      readonly expected: number;
      readonly instance: string;
      readonly from: number;
      readonly chain: string;
    },
  ) {
    const from = Buffer.from(next.chain, 'hex');
    return this.#call(beginSchema, 'begin_epoch', who, [next.expected, next.instance, next.from, from]);
  }

  rotateToken(who: Identity, nextHash: Uint8Array) {
    return this.#call(plainSchema, 'rotate_token', who, [nextHash]);
  }

  async lookUpCode(codeHash: Uint8Array): Promise<CodeAnswer> {
    return await this.#query(codeSchema, 'look_up_code', [codeHash]);
  }

  async join(
    codeHash: Uint8Array,
    begin: {
      readonly instance: string;
      readonly tokenHash: Uint8Array;
      readonly from: number;
      readonly chain: string;
    },
  ): Promise<CodeAnswer> {
    const { instance, tokenHash, from } = begin;
    return await this.#query(codeSchema, 'join', [
      codeHash,
      instance,
      tokenHash,
      from,
      Buffer.from(begin.chain, 'hex'),
    ]);
  }

  #call<T extends z.ZodType>(
    schema: T,
    name: string,
    who: Identity,
    values: readonly unknown[],
  ): Promise<z.infer<T>> {
    return this.#query(schema, name, [who.siteId, who.hubId, who.token, ...values]);
  }

  async #query<T extends z.ZodType>(
    schema: T,
    name: string,
    values: readonly unknown[],
  ): Promise<z.infer<T>> {
    const places = values.map((_value, index) => `$${index + 1}`).join(', ');
    const { rows } = await this.#client.query(`select sync.${name}(${places}) as answer`, [...values]);
    return readAnswer(schema, name, answerOf(rows[0]));
  }
}

const answerOf = (row: unknown): unknown =>
  typeof row === 'object' && row !== null ? Reflect.get(row, 'answer') : null;

function readAnswer<T extends z.ZodType>(schema: T, name: string, answer: unknown): z.infer<T> {
  const read: unknown = typeof answer === 'string' ? JSON.parse(answer) : answer;
  const parsed = schema.safeParse(read);
  if (parsed.success) return parsed.data;
  const denial = denialSchema.safeParse(read);
  if (denial.success)
    throw new CentreDenied(denial.data.status === 'denied' ? denial.data.reason : denial.data.status);
  throw new Fault('centralAnswer', `the centre answered ${name} in a form that this hub does not know`, {
    cause: parsed.error,
  });
}
