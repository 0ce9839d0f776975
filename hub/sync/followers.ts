import { followMemberChange, type MemberDeps } from '#hub/domains/members/workflow.ts';
import type { LastingAnnouncement } from '#hub/platform/announce.ts';
import { findNamedRows } from '#hub/store/named-rows.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Follow } from './sync.ts';

export interface FollowerDeps extends Pick<MemberDeps, 'announceIn' | 'onAdmissionChanged'> {
  /** Doors must know other things of these cards. */
  readonly onCredentialsChanged: (tx: Transaction, credentialIds: readonly string[]) => Promise<void>;
  /** Doors must know other places, rules, hours or another site. */
  readonly onPlacesChanged: (tx: Transaction) => Promise<void>;
  /** After the commit: webhooks are others. */
  readonly onWebhooksChanged: () => void;
  /** After the commit: somebody may do other things than before, or nothing any more. */
  readonly onRightsChanged: () => void;
  readonly isConnected: (bridgeId: string) => boolean;
}

/** Of each of these rows the id that stands in a column. */
async function idsIn(
  tx: Transaction,
  table: string,
  column: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await findNamedRows(tx, table, [column], ids);
  return new Map(
    [...rows].flatMap(([id, row]) => {
      const value = row[column];
      return typeof value === 'string' ? [[id, value] as const] : [];
    }),
  );
}

/** What follows from rows that were written past the workflows: by a centre, or by whoever settles a conflict. */
export function createFollow(deps: FollowerDeps): Follow {
  const announceEach = async (
    tx: Transaction,
    ids: readonly string[],
    toAnnouncement: (id: string) => LastingAnnouncement,
  ): Promise<void> => {
    for (const id of ids) await deps.announceIn(tx, toAnnouncement(id));
  };
  const places =
    (toAnnouncement: (id: string) => LastingAnnouncement): Follower =>
    async (tx, ids) => {
      await deps.onPlacesChanged(tx);
      await announceEach(tx, ids, toAnnouncement);
    };
  const ofMembers =
    (table: string): Follower =>
    async (tx, ids) => {
      const memberIds = [...new Set((await idsIn(tx, table, 'member_id', ids)).values())];
      await followMemberChange(deps, tx, memberIds, { admission: true });
    };
  const rights: Follower = async (tx) => tx.afterCommit(deps.onRightsChanged);
  const change = 'changed';
  const followers: Readonly<Record<string, Follower>> = {
    site: (tx) => deps.onPlacesChanged(tx),
    account: rights,
    service_account: rights,
    role: rights,
    role_assignment: rights,
    member: (tx, ids) => followMemberChange(deps, tx, ids, { admission: true }),
    membership: ofMembers('membership'),
    hold: ofMembers('hold'),
    member_group_entry: ofMembers('member_group_entry'),
    plan: (tx, ids) =>
      announceEach(tx, ids, (planId) => ({ topic: 'plan.changed', data: { planId, change } })),
    member_group: (tx, ids) =>
      announceEach(tx, ids, (groupId) => ({ topic: 'group.changed', data: { groupId, change } })),
    area: places((areaId) => ({ topic: 'area.changed', data: { areaId, change } })),
    portal: places((portalId) => ({ topic: 'portal.changed', data: { portalId, change } })),
    access_rule: places((ruleId) => ({ topic: 'rule.changed', data: { ruleId, change } })),
    opening_hours: places((hoursId) => ({ topic: 'hours.changed', data: { hoursId, change } })),
    schedule_exception: places((holidayId) => ({ topic: 'holiday.changed', data: { holidayId, change } })),
    bridge: (tx, ids) =>
      announceEach(tx, ids, (bridgeId) => ({
        topic: 'bridge.changed',
        data: { bridgeId, connected: deps.isConnected(bridgeId) },
      })),
    async credential(tx, ids) {
      await deps.onCredentialsChanged(tx, ids);
      for (const [credentialId, memberId] of await idsIn(tx, 'credential', 'member_id', ids))
        await deps.announceIn(tx, { topic: 'credential.changed', data: { credentialId, memberId } });
    },
    webhook: async (tx) => tx.afterCommit(deps.onWebhooksChanged),
  };
  return async (tx, table, ids) => {
    if (ids.length > 0) await followers[table]?.(tx, ids);
  };
}

type Follower = (tx: Transaction, ids: readonly string[]) => Promise<void>;
