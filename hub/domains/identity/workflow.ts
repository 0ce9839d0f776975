import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { newId } from '#hub/platform/new-id.ts';
import { takeRandomBytes } from '#hub/platform/random-pool.ts';
import type { Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { TableCache } from '#hub/store/table-cache.ts';
import { canonicalJson, chainStart, digestPayload, hashLink, type JsonValue } from './audit/chain.ts';
import { actorNameOf, appendAudit, findAuditHead, listAuditOf, parseFacts } from './audit/repository.ts';
import { findSite, type Site } from './repository.ts';
import type { Actor } from './schema.ts';

/** An action to record. */
export interface AuditFact {
  readonly actor: Actor;
  /** `noun.verb`: `member.suspend`, `door.unlock`. */
  readonly action: string;
  readonly target: { readonly table: string; readonly id: string } | null;
  /** Details that a person needs later. Never a secret. May be personal: it can be emptied. */
  readonly payload: Readonly<Record<string, JsonValue>>;
}

/** Returns the actor of a request. */
export function actorOf(principal: Principal): Actor {
  if (principal.kind === 'console') return { kind: 'console' };
  return { kind: principal.kind, id: principal.accountId, name: principal.displayName };
}

/** The newest entry, to which the next one is chained. */
const auditHead = new TableCache<{ readonly seq: number; readonly hash: string }>('audit_entry');

/** Appends to the audit log inside the transaction that does the thing, so that neither exists without the other. */
export async function recordAudit(tx: Transaction, fact: AuditFact): Promise<void> {
  const head = tx.recall(auditHead) ?? (await findAuditHead(tx));
  const payload = {
    salt: takeRandomBytes(16).toString('hex'),
    actorName: 'name' in fact.actor ? fact.actor.name : null,
    body: canonicalJson(fact.payload),
  };
  const link = {
    id: newId(),
    seq: (head?.seq ?? 0) + 1,
    atMs: tx.nowMs,
    actorKind: fact.actor.kind,
    actorId: 'id' in fact.actor ? fact.actor.id : null,
    action: fact.action,
    targetTable: fact.target?.table ?? null,
    targetId: fact.target?.id ?? null,
    payloadDigest: digestPayload(payload),
    prevHash: head?.hash ?? chainStart,
  };
  const hash = hashLink(link);
  await appendAudit(tx, { ...link, hash }, payload);
  tx.remember(auditHead, { seq: link.seq, hash });
}

/** Loads the site; null before the claim. */
export async function loadSite(reader: Reader): Promise<Site | null> {
  return findSite(reader);
}

/** An action as the audit log recorded it. */
export interface RecordedAction {
  readonly id: string;
  readonly atMs: number;
  readonly actor: { readonly kind: Actor['kind']; readonly id: string | null; readonly name: string | null };
  readonly action: string;
  readonly target: { readonly table: string; readonly id: string };
  /** Null once it was emptied. */
  readonly payload: Readonly<Record<string, unknown>> | null;
}

/** Finds actions on any of these targets, newest first; `after` is the time and the id of the last one before. */
export async function findActionsOn(
  reader: Reader,
  asked: {
    readonly targetIds: readonly string[];
    readonly after: Place | null;
    readonly limit: number;
  },
): Promise<readonly RecordedAction[]> {
  const rows = await listAuditOf(reader, asked);
  return rows.flatMap((row) =>
    row.targetTable === null || row.targetId === null
      ? []
      : [
          {
            id: row.id,
            atMs: row.atMs,
            actor: { kind: row.actorKind, id: row.actorId, name: actorNameOf(row) },
            action: row.action,
            target: { table: row.targetTable, id: row.targetId },
            payload: parseFacts(row),
          },
        ],
  );
}
