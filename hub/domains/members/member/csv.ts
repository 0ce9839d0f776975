import type { CsvCell } from '#hub/platform/csv.ts';
import type { FiledProfile } from '../repository.ts';
import type { MemberListItem } from './schema.ts';

/** A member as a file has them. */
export type FiledMember = MemberListItem & FiledProfile;

/** Columns of the member list, and what else is written about a member but the notes, which are for one page. */
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
  phone: (member) => member.phone,
  dateOfBirth: (member) => member.dateOfBirth,
  guardian: (member) => member.guardian,
  waiverVersion: (member) => member.waiverVersion,
  waiverDate: (member) => member.waiverDate,
  locale: (member) => member.locale,
  extendedAccess: (member) => member.extendedAccess,
} as const satisfies Readonly<Record<keyof FiledMember, (member: FiledMember) => CsvCell>>;

export const memberCsvColumns = Object.keys(cellsByColumn);
export const memberToCsv = (member: FiledMember): readonly CsvCell[] =>
  Object.values(cellsByColumn).map((cellOf) => cellOf(member));
