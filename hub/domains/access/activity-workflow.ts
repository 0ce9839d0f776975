import { findActionsOn, type RecordedAction } from '#hub/domains/identity/workflow.ts';
import type { Principal } from '#hub/http/endpoint.ts';
import { type CursorInvalid, openPage } from '#hub/http/page-cursor.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import { activityKindOf, wordAction, wordDoer } from './activity-rules.ts';
import type { MemberActivity } from './activity-schema.ts';
import { type AccessDeps, isoTime } from './context.ts';
import { findCredentialIdsOf, findCredentialsById } from './credential-repository.ts';
import { findEvents } from './event-repository.ts';
import type { AccessEvent } from './event-schema.ts';
import { toWireEvents } from './event-workflow.ts';

export interface ActivityDeps extends Pick<AccessDeps, 'store' | 'loadMemberNames'> {
  /** Ids of a member's memberships and holds; null: there is no such member. */
  readonly loadMemberParts: (reader: Reader, memberId: string) => Promise<readonly string[] | null>;
}

/**
 * A page of what happened with a member, the newest first: what was done to the member, memberships, holds and cards
 * (from the audit log) and what happened at doors. Cards and doors only for whoever may see them. Both are ordered by
 * their ids, which the hub makes when it records them.
 */
export async function listActivities(
  deps: ActivityDeps,
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
  const parts = await deps.loadMemberParts(read, memberId);
  if (parts === null) return refuse({ code: 'memberNotFound' });
  const asked = openPage({ ...query, memberId }, 1);
  if (!asked.ok) return asked;
  const { after, limit, cut } = asked.value;
  const beforeId = after === null ? undefined : String(after[0]);
  const cards = asker.permissions.has('credential.read') ? await findCredentialIdsOf(read, [memberId]) : [];
  const actions = await findActionsOn(read, { targetIds: [memberId, ...parts, ...cards], beforeId, limit });
  const events = asker.permissions.has('accessEvent.read')
    ? await findEvents(read, { memberId }, { after, limit })
    : [];
  const worded = await toWireEvents(read, deps, events);
  const touched = actions.flatMap(({ target }) => (target.table === 'credential' ? [target.id] : []));
  const cardsById = await findCredentialsById(read, touched);
  const done = actions.flatMap((action) =>
    actionToWire(action, cardsById.get(action.target.id)?.label ?? null),
  );
  const merged = [...done, ...worded.map(eventToWire)].toSorted((one, other) => (one.id < other.id ? 1 : -1));
  const page = cut(merged, (last) => [last.id]);
  return ok({ items: [...page.rows], nextCursor: page.nextCursor });
}

function actionToWire(recorded: RecordedAction, cardName: string | null): MemberActivity[] {
  const kind = activityKindOf(recorded.target.table);
  if (kind === null) return [];
  const { id, atMs, action, payload, actor, target } = recorded;
  return [
    {
      id,
      at: isoTime(atMs),
      kind,
      action,
      summary: wordAction(action, payload, cardName),
      by: wordDoer(actor),
      observed: false,
      subjectId: target.id,
    },
  ];
}

function eventToWire(event: AccessEvent): MemberActivity {
  const door = event.portal === null ? '' : `${event.portal.name}: `;
  return {
    id: event.id,
    at: event.receivedAt,
    kind: 'access',
    action: event.kind,
    summary: `${door}${event.why.sentence}`,
    by: null,
    observed: event.observed,
    subjectId: event.id,
  };
}
