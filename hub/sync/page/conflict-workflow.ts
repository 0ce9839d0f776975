import { actorOf, recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { findColumns, findNamedRows, writeNamedColumn } from '#hub/store/named-rows.ts';
import { ConstraintFault } from '#hub/store/sqlite/store-faults.ts';
import type { Reader, TableName, Transaction } from '#hub/store/store.ts';
import { findLink } from '../repository.ts';
import { fieldOf, managerOf, subjectOf } from '../rules.ts';
import { type Conflict, plainValueTextSchema, type Writer } from '../schema.ts';
import { type ConflictRow, findConflict } from './conflict-repository.ts';
import type { SyncPageDeps } from './deps.ts';
import { labelRows } from './row-labels.ts';

interface BeyondOwnPermissions extends Refusal<'beyondOwnPermissions'> {
  readonly permissions: readonly PermissionName[];
}
export type SettleRefusal =
  | Refusal<
      | 'conflictNotFound'
      | 'conflictSettled'
      | 'rowGone'
      | 'columnUnknown'
      | 'valueChangedSince'
      | 'valueDoesNotFit'
    >
  | BeyondOwnPermissions;

/** The hub that writes at the centre for other applications (`sync.submit`). */
const centreHub = '00000000-0000-0000-0000-000000000000';

function writerOf(hubId: string, ownHubId: string | undefined): Writer {
  if (hubId === centreHub) return { kind: 'centre', hubId: null };
  return { kind: hubId === ownHubId ? 'thisHub' : 'otherHub', hubId };
}

/** Converts conflicts, in their order. */
export async function conflictsToWire(
  { tables }: Pick<SyncPageDeps, 'tables'>,
  reader: Reader,
  rows: readonly ConflictRow[],
): Promise<Conflict[]> {
  const labelOf = await labelRows(reader, tables, rows);
  const ownHubId = (await findLink(reader))?.hub_id;
  return rows.map((row) => ({
    id: row.id,
    table: row.tbl,
    rowId: row.pk,
    subject: subjectOf(tables, row.tbl),
    label: labelOf(row),
    column: row.col,
    field: fieldOf(row.col),
    kept: plainValueTextSchema.parse(row.kept),
    keptBy: writerOf(row.kept_by, ownHubId),
    keptAt: toIso(row.kept_at_ms),
    lost: plainValueTextSchema.parse(row.lost),
    lostBy: writerOf(row.lost_by, ownHubId),
    lostAt: toIso(row.lost_at_ms),
    foundAt: toIso(row.created_at_ms),
    settledAt: row.settled_at_ms === null ? null : toIso(row.settled_at_ms),
  }));
}

/**
 * Settles a conflict: `kept` leaves the row as it is, `lost` writes the value that gave way. Whoever settles must be
 * allowed to change such a row anyway.
 */
export async function settleConflict(
  deps: SyncPageDeps,
  asker: Principal,
  id: string,
  choose: 'kept' | 'lost',
): Promise<Result<Conflict, SettleRefusal>> {
  try {
    return await deps.store.transact('sync.settle', async (tx) => {
      const row = await findConflict(tx, id);
      if (row === null) return refuse({ code: 'conflictNotFound' });
      if (row.settled_at_ms !== null) return refuse({ code: 'conflictSettled' });
      const needed = managerOf(deps.tables, row.tbl);
      if (!asker.permissions.has(needed))
        return refuse({ code: 'beyondOwnPermissions', permissions: [needed] });
      if (choose === 'lost') {
        const written = await writeLost(deps, tx, row);
        if (!written.ok) return written;
      }
      const settled = await tx.write('sync_conflict', id, {
        settled_at_ms: tx.nowMs,
        settled_by: asker.accountId,
      });
      assert(settled.ok, 'a conflict that was just read is there');
      await recordAudit(tx, {
        actor: actorOf(asker),
        action: 'syncConflict.settle',
        target: { table: 'sync_conflict', id },
        payload: { table: row.tbl, rowId: row.pk, column: row.col, choose },
      });
      tx.afterCommit(() => deps.sync.announceChanged());
      const [view] = await conflictsToWire(deps, tx, [settled.value]);
      assert(view !== undefined, 'one row makes one view');
      return ok(view);
    });
  } catch (error) {
    if (error instanceof ConstraintFault) return refuse({ code: 'valueDoesNotFit' });
    throw error;
  }
}

async function writeLost(
  { tables, follow }: SyncPageDeps,
  tx: Transaction,
  { tbl, pk, col, kept, lost }: ConflictRow,
): Promise<Result<null, SettleRefusal>> {
  const isState = (name: string): name is TableName =>
    Object.hasOwn(tables, name) && tables[name]?.class === 'state';
  if (!isState(tbl) || !(await findColumns(tx, tbl)).has(col)) return refuse({ code: 'columnUnknown' });
  const current = (await findNamedRows(tx, tbl, [col, 'deleted_at_ms'], [pk])).get(pk);
  if (current === undefined || current['deleted_at_ms'] !== null) return refuse({ code: 'rowGone' });
  const chosen = plainValueTextSchema.parse(lost);
  if (current[col] === chosen) return ok(null);
  // What both values came before is newer than either: it is not overwritten by choosing between them.
  if (current[col] !== plainValueTextSchema.parse(kept)) return refuse({ code: 'valueChangedSince' });
  const written = await writeNamedColumn(tx, { table: tbl, id: pk, column: col }, chosen, isState);
  if (!written.ok)
    return refuse({ code: written.refusal.code === 'columnUnknown' ? 'columnUnknown' : 'rowGone' });
  await follow(tx, tbl, [pk]);
  return ok(null);
}
