import type { Reader, Transaction } from '#hub/store/store.ts';
import type { ImpossibleWay } from './rules.ts';

export interface SuspectedCopyRow extends ImpossibleWay {
  readonly id: string;
  readonly credentialId: string;
}

/** What speaks for copies of cards and was not looked into yet; of these cards only, if any are given. */
export async function findSuspectedCopies(
  reader: Reader,
  credentialIds?: readonly string[],
): Promise<readonly SuspectedCopyRow[]> {
  let query = reader.selectFrom('suspected_copy').selectAll().where('deleted_at_ms', 'is', null);
  if (credentialIds !== undefined) query = query.where('credential_id', 'in', credentialIds);
  const rows = await query.orderBy('id').execute();
  return rows.map((row) => ({
    id: row.id,
    credentialId: row.credential_id,
    from: { credentialId: row.credential_id, portalId: row.from_portal_id, atMs: row.from_at_ms },
    to: { credentialId: row.credential_id, portalId: row.to_portal_id, atMs: row.to_at_ms },
    walkSeconds: row.walk_seconds,
  }));
}

export const insertSuspectedCopy = (
  tx: Transaction,
  id: string,
  credentialId: string,
  way: ImpossibleWay,
): Promise<void> =>
  tx.insert('suspected_copy', {
    id,
    credential_id: credentialId,
    from_portal_id: way.from.portalId,
    from_at_ms: way.from.atMs,
    to_portal_id: way.to.portalId,
    to_at_ms: way.to.atMs,
    walk_seconds: way.walkSeconds,
  });
