import type { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { hasSpan } from '#hub/kernel/moment.ts';
import { ok } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import type { Reader } from '#hub/store/store.ts';
import type { IdentityDeps } from '../deps.ts';
import {
  auditEmptySchema,
  auditEntrySchema,
  auditPageSchema,
  auditQuerySchema,
  idParamsSchema,
  verificationSchema,
} from '../schema.ts';
import { auditCsvColumns, streamAuditLines } from './csv.ts';
import { type AuditRow, actorNameOf, countAudit, listAudit, parseFacts, withSeqs } from './repository.ts';
import { emptyAuditPayload, verifyAudit } from './workflow.ts';

type Deps = Pick<IdentityDeps, 'store'>;

const tag = 'audit';

function auditToWire(row: AuditRow): z.input<typeof auditEntrySchema> {
  return {
    id: row.id,
    seq: row.seq,
    at: toIso(row.atMs),
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
      csv: {
        fileName: 'audit-log',
        columns: auditCsvColumns,
        lines: ({ query }, delimiter) => streamAuditLines(deps.store, query, delimiter),
      },
      refusals: pageRefusals,
      async handle({ query }) {
        const asked = openPage(query, 1);
        if (!asked.ok) return asked;
        const { after, limit, cut, count } = asked.value;
        const isOldestFirst = !isReversed(query.sort);
        const find = async (reader: Reader): Promise<readonly AuditRow[]> => {
          const filter = await withSeqs(reader, query);
          return filter === null ? [] : await listAudit(reader, filter, { isOldestFirst, after, limit });
        };
        // A span may be long, and its index is looked through.
        const rows = await (hasSpan(query) ? deps.store.report(find) : find(deps.store.read));
        const page = cut(rows, (row) => [row.seq]);
        const total = await count(deps.store, (reader) => countAudit(reader, query));
        return ok({ items: page.rows.map(auditToWire), nextCursor: page.nextCursor, ...total });
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
      refusals: ['auditEntryNotFound', 'payloadEmptied'],
      async handle({ principal, params, body }) {
        const emptied = await emptyAuditPayload(deps, principal, params.id, body.reason);
        return emptied.ok ? ok(auditToWire(emptied.value)) : emptied;
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
      refusals: [],
      async handle() {
        return ok(await deps.store.report((reader) => verifyAudit(reader)));
      },
    }),
  ];
}
