import type { Selectable } from 'kysely';
import { z } from 'zod';
import { assert } from '#hub/kernel/result.ts';
import { batchesOf } from '#hub/store/batches.ts';
import { fixedQuery, listed, rememberedQuery } from '#hub/store/fixed-query.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { type PolicyDocument, policyDocumentSchema } from '../decide/policy-schema.ts';
import type { PolicyRecordTable } from '../tables.ts';

export interface PolicyState {
  readonly epoch: number;
  readonly revision: number;
}

const policyState = rememberedQuery(
  {},
  (reader) => reader.selectFrom('policy_state').select(['epoch', 'revision']),
  ([row]): PolicyState => {
    assert(row !== undefined, 'the first migration made the state of the policy');
    return row;
  },
);
export const findPolicyState = (reader: Reader): Promise<PolicyState> => policyState(reader, {});

/** The next revision, for everything that this transaction changes. */
export async function nextRevision(tx: Transaction): Promise<number> {
  await tx.local
    .updateTable('policy_state')
    .set((expression) => ({ revision: expression('revision', '+', 1) }))
    .execute();
  return (await findPolicyState(tx)).revision;
}

export async function setEpoch(tx: Transaction, epoch: number): Promise<void> {
  await tx.local.updateTable('policy_state').set({ epoch }).execute();
  await nextRevision(tx);
}

export interface PolicySymbols {
  readonly plans: Map<string, number>;
  readonly groupSets: Map<string, number>;
}
const groupIdsSchema = z.array(z.string());

export async function findSymbols(reader: Reader): Promise<PolicySymbols> {
  const rows = await reader.selectFrom('policy_symbol').select(['number', 'kind', 'name']).execute();
  const numbersOf = (kind: 'plan' | 'groups') =>
    new Map(rows.filter((row) => row.kind === kind).map((row) => [row.name, row.number]));
  return { plans: numbersOf('plan'), groupSets: numbersOf('groups') };
}

/** The symbols as policies carry them: number -> plan id, number -> group ids. */
export const symbolNames = (symbols: PolicySymbols): Pick<PolicyDocument, 'planIds' | 'groupSets'> => ({
  planIds: Object.fromEntries([...symbols.plans].map(([name, number]) => [String(number), name])),
  groupSets: Object.fromEntries(
    [...symbols.groupSets].map(([name, number]) => [String(number), groupIdsSchema.parse(JSON.parse(name))]),
  ),
});

export async function insertSymbol(tx: Transaction, kind: 'plan' | 'groups', name: string): Promise<number> {
  const row = await tx
    .selectFrom('policy_symbol')
    .select((expression) => expression.fn.max('number').as('highest'))
    .executeTakeFirst();
  const number = (row?.highest ?? 0) + 1;
  await tx.local.insertInto('policy_symbol').values({ number, kind, name }).execute();
  return number;
}

/** The records of one bridge under one of its digest keys. */
export interface PolicySet {
  readonly bridgeId: string;
  readonly keyId: string;
  readonly key: Uint8Array;
  readonly sum: Uint8Array;
  readonly floorRevision: number;
  /** Serves the bridge now; otherwise it is being built to take over. */
  readonly current: boolean;
}

const allSets = rememberedQuery(
  {},
  (reader) =>
    reader
      .selectFrom('policy_set')
      .innerJoin('bridge_secret', 'bridge_secret.bridge_id', 'policy_set.bridge_id')
      .select([
        'policy_set.bridge_id',
        'policy_set.key_id',
        'policy_set.sum',
        'policy_set.floor_revision',
        'bridge_secret.digest_key_id',
        'bridge_secret.digest_key',
        'bridge_secret.next_key_id',
        'bridge_secret.next_key',
      ]),
  (rows): readonly PolicySet[] =>
    rows.flatMap(({ bridge_id, key_id, sum, floor_revision, ...secret }) => {
      const current = key_id === secret.digest_key_id;
      const key = current ? secret.digest_key : key_id === secret.next_key_id ? secret.next_key : null;
      return key === null
        ? []
        : [{ bridgeId: bridge_id, keyId: key_id, key, sum, floorRevision: floor_revision, current }];
    }),
);

/** All sets, or one bridge's: there are two for each bridge at most. */
export async function findSets(reader: Reader, bridgeId?: string): Promise<readonly PolicySet[]> {
  const sets = await allSets(reader, {});
  return bridgeId === undefined ? sets : sets.filter((set) => set.bridgeId === bridgeId);
}

export async function insertSet(
  tx: Transaction,
  set: Pick<PolicySet, 'bridgeId' | 'keyId' | 'sum'>,
): Promise<void> {
  const { revision } = await findPolicyState(tx);
  await tx.local
    .insertInto('policy_set')
    .values({ bridge_id: set.bridgeId, key_id: set.keyId, sum: set.sum, floor_revision: revision })
    .execute();
}

export async function deleteSet(tx: Transaction, bridgeId: string, keyId: string): Promise<void> {
  await tx.local
    .deleteFrom('policy_set')
    .where('bridge_id', '=', bridgeId)
    .where('key_id', '=', keyId)
    .execute();
}

export interface StoredRecord {
  readonly digest: Uint8Array;
  readonly credentialId: string;
  readonly record: Uint8Array;
}

const recordsListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader.selectFrom('policy_record').selectAll().where('credential_id', 'in', listed(ids)),
);

/**
 * Every record of these credentials, in whichever set. Bridge and key are compared by the callers: with them in the
 * statement SQLite walks the whole set along the key instead of looking up some credentials.
 */
async function findRecordsAnywhere(reader: Reader, credentialIds: readonly string[]) {
  const found: Selectable<PolicyRecordTable>[] = [];
  for (const batch of batchesOf(credentialIds))
    found.push(...(await recordsListed(reader, { ids: JSON.stringify(batch) })));
  return found;
}

/** What a set holds for these credentials. */
export async function findRecordsOf(
  reader: Reader,
  set: Pick<PolicySet, 'bridgeId' | 'keyId'>,
  credentialIds: readonly string[],
): Promise<StoredRecord[]> {
  return (await findRecordsAnywhere(reader, credentialIds))
    .filter((row) => row.bridge_id === set.bridgeId && row.key_id === set.keyId)
    .map((row) => ({ digest: row.digest, credentialId: row.credential_id, record: row.record }));
}

export async function findRecordByDigest(
  reader: Reader,
  set: Pick<PolicySet, 'bridgeId' | 'keyId'>,
  digest: Uint8Array,
): Promise<StoredRecord | null> {
  const row = await reader
    .selectFrom('policy_record')
    .select(['digest', 'credential_id', 'record'])
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row ? { digest: row.digest, credentialId: row.credential_id, record: row.record } : null;
}

/** The revision of the newest record of each credential at each bridge, by `credentialId/bridgeId`. */
export async function findRecordRevisions(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const keys = new Set(
    (await findSets(reader)).filter((set) => set.current).map((set) => `${set.bridgeId}/${set.keyId}`),
  );
  const revisions = new Map<string, number>();
  for (const row of await findRecordsAnywhere(reader, credentialIds)) {
    if (!keys.has(`${row.bridge_id}/${row.key_id}`)) continue;
    const name = `${row.credential_id}/${row.bridge_id}`;
    revisions.set(name, Math.max(row.revision, revisions.get(name) ?? 0));
  }
  return revisions;
}

export interface SetChange {
  readonly written: readonly StoredRecord[];
  readonly removed: readonly Uint8Array[];
  readonly sum: Uint8Array;
  readonly revision: number;
}

export async function applySetChange(
  tx: Transaction,
  set: Pick<PolicySet, 'bridgeId' | 'keyId'>,
  change: SetChange,
): Promise<void> {
  const key = { bridge_id: set.bridgeId, key_id: set.keyId };
  const { revision } = change;
  for (const batch of batchesOf(change.removed)) {
    await tx.local
      .deleteFrom('policy_record')
      .where('bridge_id', '=', set.bridgeId)
      .where('key_id', '=', set.keyId)
      .where('digest', 'in', batch)
      .execute();
    await tx.local
      .insertInto('policy_removed')
      .values(batch.map((digest) => ({ ...key, digest, revision })))
      .onConflict((conflict) => conflict.columns(['bridge_id', 'key_id', 'digest']).doUpdateSet({ revision }))
      .execute();
  }
  for (const batch of batchesOf(change.written)) {
    await tx.local
      .insertInto('policy_record')
      .values(
        batch.map((row) => ({
          ...key,
          digest: row.digest,
          credential_id: row.credentialId,
          record: row.record,
          revision,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['bridge_id', 'key_id', 'digest']).doUpdateSet((expression) => ({
          credential_id: expression.ref('excluded.credential_id'),
          record: expression.ref('excluded.record'),
          revision,
        })),
      )
      .execute();
    await tx.local
      .deleteFrom('policy_removed')
      .where('bridge_id', '=', set.bridgeId)
      .where('key_id', '=', set.keyId)
      .where(
        'digest',
        'in',
        batch.map((row) => row.digest),
      )
      .execute();
  }
  await tx.local
    .updateTable('policy_set')
    .set({ sum: change.sum })
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .execute();
}

export interface StoredDocument {
  readonly document: PolicyDocument;
  readonly hash: Uint8Array;
  readonly revision: number;
}

// Each "why" and each check asks for it, and it is long: taken apart once for each change.
const documentOf = rememberedQuery(
  { bridgeId: '$bridgeId' },
  (reader, { bridgeId }) =>
    reader
      .selectFrom('policy_document')
      .select(['body', 'hash', 'revision'])
      .where('bridge_id', '=', bridgeId),
  ([row]): StoredDocument | null =>
    row === undefined
      ? null
      : {
          document: policyDocumentSchema.parse(JSON.parse(row.body)),
          hash: row.hash,
          revision: row.revision,
        },
);
export const findDocument = (reader: Reader, bridgeId: string): Promise<StoredDocument | null> =>
  documentOf(reader, { bridgeId });

/** The revision of each bridge's document: from there on it carries what staff see. */
export async function findDocumentRevisions(reader: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.selectFrom('policy_document').select(['bridge_id', 'revision']).execute();
  return new Map(rows.map((row) => [row.bridge_id, row.revision]));
}

export async function saveDocument(
  tx: Transaction,
  bridgeId: string,
  stored: { readonly body: string; readonly hash: Uint8Array; readonly revision: number },
): Promise<void> {
  await tx.local
    .insertInto('policy_document')
    .values({ bridge_id: bridgeId, ...stored })
    .onConflict((conflict) => conflict.column('bridge_id').doUpdateSet(stored))
    .execute();
}

/** Records of a set after `digest`, in order, that changed after `sinceRevision` (0: all). */
export async function findRecordPage(
  reader: Reader,
  set: Pick<PolicySet, 'bridgeId' | 'keyId'>,
  page: { readonly afterDigest: Uint8Array; readonly sinceRevision: number; readonly limit: number },
): Promise<{ readonly digest: Uint8Array; readonly record: Uint8Array }[]> {
  let query = reader
    .selectFrom('policy_record')
    .select(['digest', 'record'])
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .where('digest', '>', page.afterDigest);
  if (page.sinceRevision > 0) query = query.where('revision', '>', page.sinceRevision);
  return await query.orderBy('digest').limit(page.limit).execute();
}

export async function findRemoved(
  reader: Reader,
  set: Pick<PolicySet, 'bridgeId' | 'keyId'>,
  sinceRevision: number,
  limit: number,
): Promise<Uint8Array[]> {
  const rows = await reader
    .selectFrom('policy_removed')
    .select('digest')
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .where('revision', '>', sinceRevision)
    .orderBy('revision')
    .limit(limit)
    .execute();
  return rows.map((row) => row.digest);
}

/** Deletes up to `limit` rows of sets that serve no bridge any more; returns whether some may be left. */
export async function sweepOrphans(tx: Transaction, limit: number): Promise<boolean> {
  const orphan = await tx
    .selectFrom('policy_record')
    .leftJoin('policy_set', (join) =>
      join
        .onRef('policy_set.bridge_id', '=', 'policy_record.bridge_id')
        .onRef('policy_set.key_id', '=', 'policy_record.key_id'),
    )
    .select(['policy_record.bridge_id', 'policy_record.key_id'])
    .where('policy_set.key_id', 'is', null)
    .limit(1)
    .executeTakeFirst();
  if (orphan === undefined) return false;
  await tx.local
    .deleteFrom('policy_record')
    .where('bridge_id', '=', orphan.bridge_id)
    .where('key_id', '=', orphan.key_id)
    .where('digest', 'in', (query) =>
      query
        .selectFrom('policy_record')
        .select('digest')
        .where('bridge_id', '=', orphan.bridge_id)
        .where('key_id', '=', orphan.key_id)
        .limit(limit),
    )
    .execute();
  await tx.local
    .deleteFrom('policy_removed')
    .where('bridge_id', '=', orphan.bridge_id)
    .where('key_id', '=', orphan.key_id)
    .execute();
  return true;
}

/** Forgets all but the newest removals of a set: a bridge that is further behind loads whole. */
export async function pruneRemoved(tx: Transaction, set: PolicySet, keep: number): Promise<void> {
  const oldest = await tx
    .selectFrom('policy_removed')
    .select('revision')
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .orderBy('revision', 'desc')
    .offset(keep)
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return;
  await tx.local
    .deleteFrom('policy_removed')
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .where('revision', '<=', oldest.revision)
    .execute();
  await tx.local
    .updateTable('policy_set')
    .set({ floor_revision: oldest.revision })
    .where('bridge_id', '=', set.bridgeId)
    .where('key_id', '=', set.keyId)
    .execute();
}
