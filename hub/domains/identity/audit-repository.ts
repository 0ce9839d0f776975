import type { AppendColumns, StateColumns } from '#hub/store/database.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { AuditLink, AuditPayload } from './audit-chain.ts';

export interface AuditEntryTable extends AppendColumns {
  /** 1, 2, 3, ... without a gap. */
  seq: number;
  at_ms: number;
  actor_kind: 'account' | 'console' | 'bridge' | 'system';
  actor_id: string | null;
  action: string;
  target_table: string | null;
  target_id: string | null;
  payload_digest: string;
  prev_hash: string;
  hash: string;
}

/** Keyed by its entry's id. All three columns are null once the payload has been emptied. */
export interface AuditPayloadTable extends StateColumns {
  salt: string | null;
  actor_name: string | null;
  body: string | null;
}

declare module '#hub/store/database.ts' {
  interface Database {
    audit_entry: AuditEntryTable;
    audit_payload: AuditPayloadTable;
  }
}

export interface AuditRow extends Omit<AuditLink, 'actorKind'> {
  readonly actorKind: AuditEntryTable['actor_kind'];
  readonly hash: string;
  /** `missing`: the row is gone, which nothing in the hub ever does. */
  readonly payload: AuditPayload | 'emptied' | 'missing';
}

/** The newest entry, to which the next one is chained. */
export async function findAuditHead(
  reader: Reader,
): Promise<{ readonly seq: number; readonly hash: string } | null> {
  const row = await reader
    .selectFrom('audit_entry')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

export async function appendAudit(
  tx: Transaction,
  link: Omit<AuditRow, 'payload'>,
  payload: AuditPayload,
): Promise<void> {
  await tx.append('audit_entry', {
    id: link.id,
    seq: link.seq,
    at_ms: link.atMs,
    actor_kind: link.actorKind,
    actor_id: link.actorId,
    action: link.action,
    target_table: link.targetTable,
    target_id: link.targetId,
    payload_digest: link.payloadDigest,
    prev_hash: link.prevHash,
    hash: link.hash,
  });
  await tx.insert('audit_payload', {
    id: link.id,
    salt: payload.salt,
    actor_name: payload.actorName,
    body: payload.body,
  });
}
