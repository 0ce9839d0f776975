import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint.ts';
import { ok } from '#hub/kernel/result.ts';
import { type AuditRow, actorNameOf, listAudit, parseFacts } from './audit-repository.ts';
import { emptyAuditPayload, verifyAudit } from './audit-workflow.ts';
import type { IdentityDeps } from './deps.ts';
import {
  auditEmptySchema,
  auditEntrySchema,
  auditPageSchema,
  auditQuerySchema,
  idParamsSchema,
  verificationSchema,
} from './schema.ts';

type Deps = Pick<IdentityDeps, 'store'>;

const tag = 'audit';

function auditToWire(row: AuditRow): z.input<typeof auditEntrySchema> {
  return {
    id: row.id,
    seq: row.seq,
    at: new Date(row.atMs).toISOString(),
    actor: { kind: row.actorKind, id: row.actorId, name: actorNameOf(row) },
    action: row.action,
    target:
      row.targetTable === null || row.targetId === null ? null : { table: row.targetTable, id: row.targetId },
    payload: parseFacts(row),
    hash: row.hash,
  };
}

/** The audit log. */
export function auditEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/api/access-control/audit-logs',
      summary: 'Who did what, the newest first',
      tag,
      access: { permission: 'audit.read' },
      query: auditQuerySchema,
      response: auditPageSchema,
      refusals: {},
      async handle({ query }) {
        const { limit, cursor, action, actorId, actorKind, targetId, targetTable } = query;
        const filter = { limit, beforeSeq: cursor, action, actorId, actorKind, targetId, targetTable };
        const rows = await listAudit(deps.store.read, filter);
        const items = rows.slice(0, limit).map(auditToWire);
        const last = items.at(-1);
        const nextCursor = rows.length > limit && last !== undefined ? String(last.seq) : null;
        return ok({ body: { items, nextCursor } });
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/api/access-control/audit-logs/{id}/empty',
      summary: 'Empty the personal part of an entry; that is recorded too',
      tag,
      access: { permission: 'system.manage' },
      params: idParamsSchema,
      body: auditEmptySchema,
      response: auditEntrySchema,
      refusals: { auditEntryMissing: 404, payloadEmptied: 409 },
      async handle({ principal, params, body }) {
        const emptied = await emptyAuditPayload(deps, principal, params.id, body.reason);
        return emptied.ok ? ok({ body: auditToWire(emptied.value) }) : emptied;
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/api/system/verify',
      summary: 'Check the whole chain of the audit log',
      tag,
      access: { permission: 'audit.read' },
      response: verificationSchema,
      ratePerMinute: 6,
      refusals: {},
      async handle() {
        return ok({ body: await deps.store.report((reader) => verifyAudit(reader)) });
      },
    }),
  ];
}
