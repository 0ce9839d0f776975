import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Change } from '#hub/kernel/wire.ts';
import type { AnnounceIn, LastingAnnouncement } from '#hub/store/announce.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { PolicyKeeper } from '../policy/workflow.ts';

export interface PolicyChangeDeps {
  readonly keeper: Pick<PolicyKeeper, 'refreshDocuments'>;
  readonly announceIn: AnnounceIn;
}

type ChangedTable = 'portal' | 'access_rule';

/** What every change of doors and rules ends with: audit, the doors' new policy, live pages. */
export async function followPolicyChange(
  { keeper, announceIn }: PolicyChangeDeps,
  tx: Transaction,
  actor: Actor,
  change: {
    readonly action: string;
    readonly table: ChangedTable;
    readonly id: string;
    readonly payload: Parameters<typeof recordAudit>[1]['payload'];
  },
): Promise<void> {
  const { action, table, id, payload } = change;
  await recordAudit(tx, { actor, action, target: { table, id }, payload });
  await keeper.refreshDocuments(tx);
  await announceIn(tx, policyAnnouncement(table, id, changeOf(action)));
}

const changeByVerb: Readonly<Record<string, Change>> = { create: 'created', remove: 'removed' };
const changeOf = (action: string): Change => changeByVerb[action.split('.').at(-1) ?? ''] ?? 'changed';

/** The announcement of a change to a row of one of these tables. */
export const policyAnnouncement = (table: ChangedTable, id: string, change: Change): LastingAnnouncement =>
  table === 'portal'
    ? { topic: 'portal.changed', data: { portalId: id, change } }
    : { topic: 'rule.changed', data: { ruleId: id, change } };
