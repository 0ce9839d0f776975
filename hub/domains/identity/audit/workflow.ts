import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import type { IdentityDeps } from '../deps.ts';
import type { AuditFlaw, Verification } from '../schema.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import { chainStart, digestPayload, hashLink } from './chain.ts';
import { type AuditRow, emptyPayload, findAudit, findRecordedEmptyings, pageAudit } from './repository.ts';

const pageSize = 500;
const emptyingAction = 'auditPayload.empty';

/**
 * Walks the whole chain in pages and names the first entry that is not as it was written. Give it a reader of one
 * snapshot. Entries cut off at the end leave a whole chain: they show by comparing `head` and `entries` with ones
 * written down before.
 */
export async function verifyAudit(reader: Reader): Promise<Verification> {
  let seq = 0;
  let head = chainStart;
  for (;;) {
    const page = await pageAudit(reader, seq, pageSize);
    const emptied = page.filter((entry) => entry.payload === 'emptied').map((entry) => entry.id);
    const recorded = await findRecordedEmptyings(reader, emptied, emptyingAction);
    for (const entry of page) {
      const flaw = findFlaw(entry, seq, head, recorded);
      if (flaw !== null)
        return { ok: false, entries: seq, head, firstBroken: { seq: entry.seq, id: entry.id, flaw } };
      seq = entry.seq;
      head = entry.hash;
    }
    if (page.length < pageSize)
      return { ok: true, entries: seq, head: seq === 0 ? null : head, firstBroken: null };
  }
}

function findFlaw(
  entry: AuditRow,
  seqBefore: number,
  hashBefore: string,
  recordedEmptyings: ReadonlySet<string>,
): AuditFlaw | null {
  if (entry.seq !== seqBefore + 1) return 'gap';
  if (entry.prevHash !== hashBefore) return 'chainBroken';
  if (entry.hash !== hashLink(entry)) return 'entryChanged';
  if (entry.payload === 'missing') return 'payloadMissing';
  if (entry.payload === 'emptied') return recordedEmptyings.has(entry.id) ? null : 'payloadEmptiedUnrecorded';
  return digestPayload(entry.payload) === entry.payloadDigest ? null : 'payloadChanged';
}

/** Empties the personal part of an entry. The chain holds on, and a further entry says who did it and why. */
export async function emptyAuditPayload(
  deps: Pick<IdentityDeps, 'store'>,
  asker: Principal,
  entryId: string,
  reason: string,
): Promise<Result<AuditRow, Refusal<'auditEntryNotFound' | 'payloadEmptied'>>> {
  return deps.store.transact('audit.empty', async (tx) => {
    const entry = await findAudit(tx, entryId);
    if (entry === null) return refuse({ code: 'auditEntryNotFound' });
    if (typeof entry.payload === 'string') return refuse({ code: 'payloadEmptied' });
    await emptyPayload(tx, entryId);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: emptyingAction,
      target: { table: 'audit_payload', id: entryId },
      payload: { reason },
    });
    return ok({ ...entry, payload: 'emptied' as const });
  });
}
