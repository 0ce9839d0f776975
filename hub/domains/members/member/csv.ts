import type { CsvCell } from '#hub/platform/csv.ts';
import type { MemberListItem } from './schema.ts';

/** Columns of the member list. */
const cellsByColumn = {
  id: (member) => member.id,
  number: (member) => member.number,
  name: (member) => member.name,
  email: (member) => member.email,
  status: (member) => member.status,
  planId: (member) => member.planId,
  planName: (member) => member.planName,
  membershipState: (member) => member.membershipState,
  admitsNow: (member) => member.admitsNow,
  admitsUntil: (member) => member.admitsUntil,
  onHold: (member) => member.onHold,
  waiverMissing: (member) => member.waiverMissing,
  createdAt: (member) => member.createdAt,
  updatedAt: (member) => member.updatedAt,
  version: (member) => member.version,
} as const satisfies Readonly<Record<keyof MemberListItem, (member: MemberListItem) => CsvCell>>;

export const memberCsvColumns = Object.keys(cellsByColumn);
export const memberToCsv = (member: MemberListItem): readonly CsvCell[] =>
  Object.values(cellsByColumn).map((cellOf) => cellOf(member));
