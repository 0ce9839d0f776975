import type { Reply } from '#hub/http/endpoint.ts';
import { assert, ok, type Refusal, type Result } from '#hub/kernel/result.ts';

const statusByRefusal = {
  memberNotFound: 404,
  membershipNotFound: 404,
  planNotFound: 404,
  groupNotFound: 404,
  holdNotFound: 404,
  holdAlreadyReleased: 409,
  tooManyHolds: 409,
  staleVersion: 409,
  numberTaken: 409,
  dateInFuture: 422,
  memberStatusNotAllowed: 409,
  memberLeft: 409,
  transitionNotAllowed: 409,
  periodInvalid: 422,
  membershipOverlaps: 409,
  membershipOver: 409,
  planInactive: 409,
  planInUse: 409,
  planNameTaken: 409,
  groupNameTaken: 409,
  groupInUse: 409,
  cursorInvalid: 400,
} as const;
type MemberRefusalCode = keyof typeof statusByRefusal;

/** The HTTP statuses of the refusals of one endpoint: `pickStatuses('memberNotFound', 'staleVersion')`. */
export function pickStatuses<Code extends MemberRefusalCode>(
  ...codes: readonly Code[]
): Readonly<Pick<typeof statusByRefusal, Code>> {
  const picked = new Set<string>(codes);
  const isPicked = (
    statuses: Partial<typeof statusByRefusal>,
  ): statuses is Pick<typeof statusByRefusal, Code> => codes.every((code) => code in statuses);
  const statuses: Partial<typeof statusByRefusal> = Object.fromEntries(
    Object.entries(statusByRefusal).filter(([code]) => picked.has(code)),
  );
  assert(isPicked(statuses), 'every code has a status');
  return statuses;
}

/** What a workflow gave as an HTTP answer. */
export function answer<T, Code extends MemberRefusalCode>(
  result: Result<T, Refusal<Code>>,
): Result<Reply<T>, Refusal<Code>> {
  return result.ok ? ok({ body: result.value }) : result;
}
