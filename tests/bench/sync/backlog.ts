import path from 'node:path';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import { readKey } from '#hub/platform/files/keys.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import { benchEvents } from './events.ts';

/** Of the operations of a week; each change of a member brings two rows of the audit log with it. */
const eventShare = 0.85;
const operationsOfMemberChange = 3;
const rowsPerTransaction = 500;
const memberChangesPerTransaction = 100;

/**
 * Writes what a hub does in a week without its centre into the store of one that is stopped, by the write seam: access
 * events, and changes of members by staff with their rows in the audit log. Returns how many operations that are.
 */
export async function writeBacklog(stateDir: string, operations: number): Promise<number> {
  const paths = hubPaths({ stateDir });
  const store = await openStore({
    path: paths.store,
    key: await readKey(path.join(paths.keys, 'store.key')),
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../../migrations/sqlite'),
    clock: { nowMs: Date.now },
    log: createLog({ level: 'error' }),
    isBulkLoad: true,
  });
  try {
    const events = Math.floor(operations * eventShare);
    const memberChanges = Math.floor((operations - events) / operationsOfMemberChange);
    await writeEvents(store, events);
    await changeMembers(store, memberChanges);
    return events + memberChanges * operationsOfMemberChange;
  } finally {
    await store.close();
  }
}

async function writeEvents(store: Store, count: number): Promise<void> {
  let rows: ReturnType<typeof toRow>[] = [];
  const write = async (): Promise<void> => {
    const some = rows;
    rows = [];
    await store.transact('bench.events', (tx) => tx.appendAll('access_event', some));
  };
  for (const event of benchEvents(count)) {
    rows.push(toRow(event));
    if (rows.length === rowsPerTransaction) await write();
  }
  await write();
}

/** As `tx.appendAll` takes it. */
function toRow(event: readonly (string | number | null)[]) {
  const [
    ,
    bridge,
    journal,
    seq,
    kind,
    atMs,
    trust,
    portal,
    reader,
    credential,
    member,
    digest,
    reason,
    details,
  ] = event;
  const text = (value: string | number | null | undefined): string | null =>
    value === null || value === undefined ? null : String(value);
  return {
    id: newId(),
    bridge_id: String(bridge),
    journal_id: String(journal),
    seq: Number(seq),
    kind: String(kind),
    at_ms: Number(atMs),
    clock_trust: String(trust),
    portal_id: text(portal),
    reader_key: text(reader),
    credential_id: text(credential),
    member_id: text(member),
    digest: text(digest),
    reason: text(reason),
    details: String(details),
  };
}

async function changeMembers(store: Store, count: number): Promise<void> {
  const ids = (await store.read.selectFrom('member').select('id').execute()).map(({ id }) => id);
  const actor = { kind: 'system' } as const;
  for (let done = 0; done < count; done += memberChangesPerTransaction)
    await store.transact('bench.members', async (tx) => {
      for (let change = done; change < Math.min(count, done + memberChangesPerTransaction); change += 1) {
        const id = ids[change % ids.length] ?? '';
        const phone = `+49 30 ${String(change).padStart(6, '0')}`;
        await tx.write('member', id, { phone });
        const target = { table: 'member', id };
        await recordAudit(tx, { actor, action: 'member.change', target, payload: { phone } });
      }
    });
}
