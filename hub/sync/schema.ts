import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { lineOf } from '#hub/kernel/text.ts';
import { pageOf, pageShape } from '#hub/kernel/wire.ts';

/** Raised when synced tables change; the centre says which it speaks. */
export const syncSchemaNumber = 1;

/**
 * What a hub does with its centre: `seed`: all rows are announced; `backfill`: events from before go up; `bootstrap`: all is
 * taken from there; `live`: only changes go both ways.
 */
export const stageSchema = z.enum(['seed', 'backfill', 'bootstrap', 'live']);
export type Stage = z.infer<typeof stageSchema>;

/** Rounds are stopped until a person approves; `approved`: one has. */
export type Halt = 'fenced' | 'machineChanged' | 'approved';

/** Why a round failed, for the page and the findings. */
export const syncProblemCodeSchema = z.enum([
  'centralUnreachable',
  'centralTlsFailed',
  'centralLoginFailed',
  'centralError',
  'tokenWrong',
  'roleWrong',
  'revoked',
  'fenced',
  'machineChanged',
  'hubTooNew',
  'hubTooOld',
  'internal',
]);
export type SyncProblemCode = z.infer<typeof syncProblemCodeSchema>;

/** `offline`: it tries again by itself; `stopped`: a person has to look. */
export const syncStateSchema = z.enum(['notLinked', 'upToDate', 'working', 'offline', 'stopped']);
export type SyncState = z.infer<typeof syncStateSchema>;

export const syncStatusSchema = z.strictObject({
  link: z
    .strictObject({
      siteId: z.uuid(),
      siteName: z.string(),
      hubId: z.uuid(),
      hubName: z.string(),
      centre: z
        .string()
        .meta({ description: 'Host and port of the central database', example: 'db.example.org:5432' }),
      linkedAt: z.iso.datetime(),
      epoch: z.number().int().min(0).meta({ description: 'Raised when another machine takes over' }),
      stage: stageSchema,
    })
    .nullable()
    .meta({ description: 'null: this hub belongs to no centre' }),
  state: syncStateSchema.meta({
    description: '`offline`: it tries again by itself; `stopped`: a person has to look',
  }),
  problem: z.strictObject({ code: syncProblemCodeSchema, evidence: z.string(), fix: z.string() }).nullable(),
  lastSuccessAt: z.iso.datetime().nullable(),
  nextTryAt: z.iso.datetime().nullable(),
  outbox: z.strictObject({
    waiting: z.number().int().min(0).meta({ description: 'Changes that the centre has not got yet' }),
    oldestAt: z.iso.datetime().nullable().meta({ description: 'When the oldest of them was made' }),
    sentPerMinute: z.number().min(0).meta({ description: 'Over the last minute' }),
  }),
  inbox: z.strictObject({
    waiting: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'Changes of the centre that are not here yet, as last heard' }),
    receivedPerMinute: z.number().min(0),
  }),
  conflicts: z.number().int().min(0).meta({ description: 'Not settled' }),
  deadLetters: z.number().int().min(0).meta({ description: 'Not resolved' }),
  clockAheadMs: z
    .number()
    .int()
    .min(0)
    .meta({ description: 'How far this clock is ahead of the centre’s; 0: in order' }),
});
export type SyncStatus = z.infer<typeof syncStatusSchema>;

export const linkRequestSchema = z.strictObject({
  url: z.string().min(1).max(1000).meta({
    description: 'Address of the central database: postgres://user:password@host/database',
    example: 'postgres://hub:secret@db.example.org/makrcave',
  }),
  code: lineOf(60).meta({ description: 'The one-time code that `makrcave-hub central add-hub` printed' }),
  ca: z.string().max(65_536).optional().meta({
    description: 'PEM of the authority that signed its certificate; left out: those that this machine trusts',
  }),
});
export type LinkRequest = z.output<typeof linkRequestSchema>;

/** A value of a column. */
const plainValueSchema = z.union([z.string(), z.number(), z.null()]);
/** A column's value as it stands in `sync_conflict`. */
export const plainValueTextSchema = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(plainValueSchema);

const writerSchema = z.strictObject({
  kind: z
    .enum(['thisHub', 'otherHub', 'centre'])
    .meta({ description: '`centre`: another application that writes there' }),
  hubId: z.uuid().nullable().meta({ description: 'null for `centre`' }),
});
export type Writer = z.infer<typeof writerSchema>;

/** Names a row of any table for people. */
const namedRowShape = {
  table: z.string().meta({ description: 'As in the database', example: 'member' }),
  rowId: z.string(),
  subject: z.string().meta({ description: 'What kind of thing the row is, in words', example: 'Member' }),
  label: z.string().nullable().meta({
    description: 'What people know it by; null: it has no name, or is not here',
    example: 'Mia Maker',
  }),
};

export const conflictSchema = z.strictObject({
  id: z.uuid(),
  ...namedRowShape,
  column: z.string().meta({ description: 'As in the database', example: 'date_of_birth' }),
  field: z.string().meta({ description: 'The column in words', example: 'date of birth' }),
  kept: plainValueSchema.meta({ description: 'What stands' }),
  keptBy: writerSchema,
  keptAt: z.iso.datetime().meta({ description: 'When it was written, by the clock of who wrote it' }),
  lost: plainValueSchema.meta({ description: 'What gave way' }),
  lostBy: writerSchema,
  lostAt: z.iso.datetime(),
  foundAt: z.iso.datetime(),
  settledAt: z.iso.datetime().nullable(),
});
export type Conflict = z.infer<typeof conflictSchema>;
export const conflictPageSchema = pageOf(conflictSchema);
export const conflictQuerySchema = z.strictObject({
  ...pageShape,
  settled: z
    .enum(['yes', 'no'])
    .default('no')
    .meta({ description: 'Those that were settled, or those that wait' }),
});
export const settleSchema = z.strictObject({
  choose: z.enum(['kept', 'lost']).meta({ description: '`kept`: as it is; `lost`: write the other value' }),
});

export const syncDeadLetterSchema = z.strictObject({
  id: idSchema,
  direction: z
    .enum(['up', 'down'])
    .meta({ description: '`up`: the centre could not take it; `down`: this hub' }),
  seq: z.number().int().meta({ description: 'Of the outbox, or of the centre’s stream' }),
  ...namedRowShape,
  problem: z.string().meta({ description: 'As the side said that could not take it' }),
  body: z.string().meta({ description: 'JSON of what was to be written' }),
  at: z.iso.datetime(),
  resolvedAt: z.iso.datetime().nullable(),
});
export type SyncDeadLetter = z.infer<typeof syncDeadLetterSchema>;
export const deadLetterPageSchema = pageOf(syncDeadLetterSchema);
export const deadLetterQuerySchema = z.strictObject({
  ...pageShape,
  resolved: z.enum(['yes', 'no']).default('no').meta({
    description: 'Those that were tried again, went through since or were dismissed; or those that wait',
  }),
});
export const conflictParamsSchema = z.strictObject({ id: z.uuid().toLowerCase() });
export const deadLetterParamsSchema = z.strictObject({ id: idSchema });
