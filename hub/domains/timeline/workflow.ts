import {
  happenedAt,
  listCardIdsOf,
  listEventsOf,
  loadCardLabels,
} from '#hub/domains/access/events/member-history-workflow.ts';
import type { AccessEvent } from '#hub/domains/access/events/schema.ts';
import { findActionsOn, type RecordedAction } from '#hub/domains/identity/workflow.ts';
import { loadMemberParts } from '#hub/domains/members/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { type CursorInvalid, openPage } from '#hub/http/endpoint/page-cursor.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { AuditWord } from '#hub/kernel/vocabulary.ts';
import type { Store } from '#hub/store/store.ts';
import { activityKindOf, describeAction, describeActor } from './rules.ts';
import type { MemberActivity } from './schema.ts';

export interface TimelineDeps {
  readonly store: Pick<Store, 'read'>;
  /** Of all domains, by action. */
  readonly auditWords: Readonly<Record<string, AuditWord>>;
}

/**
 * A page of what happened with a member, the newest first: what was done to the member, memberships, holds and cards
 * (from the audit log) and what happened at doors. Cards and doors only for whoever may see them. Both are ordered by the
 * time at which they happened: a bridge that was offline reports its taps later.
 */
export async function listActivities(
  deps: TimelineDeps,
  asker: Pick<Principal, 'permissions'>,
  memberId: string,
  query: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<
  Result<
    { readonly items: MemberActivity[]; readonly nextCursor: string | null },
    CursorInvalid | Refusal<'memberNotFound'>
  >
> {
  const { read } = deps.store;
  const parts = await loadMemberParts(read, memberId);
  if (parts === null) return refuse({ code: 'memberNotFound' });
  const asked = openPage({ ...query, memberId }, 2);
  if (!asked.ok) return asked;
  const { after, limit, cut } = asked.value;
  const cards = asker.permissions.has('credential.read') ? await listCardIdsOf(read, memberId) : [];
  const actions = await findActionsOn(read, { targetIds: [memberId, ...parts, ...cards], after, limit });
  const events = asker.permissions.has('accessEvent.read')
    ? await listEventsOf(read, memberId, { after, limit })
    : [];
  const touched = actions.flatMap(({ target }) => (target.table === 'credential' ? [target.id] : []));
  const cardNames = await loadCardLabels(read, touched);
  const done = actions.flatMap((action) =>
    actionToWire(deps, action, cardNames.get(action.target.id) ?? null),
  );
  const merged = [...done, ...events.map(eventToWire)].toSorted(newestFirst);
  const page = cut(merged, (last) => [Date.parse(last.at), last.id]);
  return ok({ items: [...page.rows], nextCursor: page.nextCursor });
}

/** By time; those of one millisecond by id. */
const newestFirst = (one: MemberActivity, other: MemberActivity): number =>
  Date.parse(other.at) - Date.parse(one.at) || (one.id < other.id ? 1 : -1);

function actionToWire(
  { auditWords }: TimelineDeps,
  recorded: RecordedAction,
  cardName: string | null,
): MemberActivity[] {
  const kind = activityKindOf(recorded.target.table);
  if (kind === null) return [];
  const { id, atMs, action, payload, actor, target } = recorded;
  return [
    {
      id,
      at: toIso(atMs),
      kind,
      action,
      summary: describeAction(auditWords, { action, facts: payload, cardName }),
      by: describeActor(actor),
      observed: false,
      subjectId: target.id,
    },
  ];
}

function eventToWire(event: AccessEvent): MemberActivity {
  const door = event.portal === null ? '' : `${event.portal.name}: `;
  return {
    id: event.id,
    at: happenedAt(event),
    kind: 'access',
    action: event.kind,
    summary: `${door}${event.why.sentence}`,
    by: null,
    observed: event.observed,
    subjectId: event.id,
  };
}
