import type { CsvCell } from '#hub/platform/csv.ts';
import type { Credential } from './schema.ts';

/** What of a card stands in each column: the fields of the list, so no more of its number than there. */
const cellsByColumn = {
  id: (card) => card.id,
  memberId: (card) => card.memberId,
  memberName: (card) => card.memberName,
  kind: (card) => card.kind,
  label: (card) => card.label,
  masked: (card) => card.masked,
  status: (card) => card.status,
  assurance: (card) => card.assurance,
  validFrom: (card) => card.validFrom,
  validUntil: (card) => card.validUntil,
  suspectedCopy: (card) => card.suspectedCopy?.to.at ?? null,
  readAs: (card) => card.readAs.join('; '),
  looksLike: (card) => card.looksLike?.cards.map(({ credentialId }) => credentialId).join('; ') ?? null,
  notAppliedAt: (card) => card.notAppliedAt.join('; '),
  createdAt: (card) => card.createdAt,
  updatedAt: (card) => card.updatedAt,
  version: (card) => card.version,
} as const satisfies Readonly<Record<keyof Credential, (card: Credential) => CsvCell>>;

export const credentialCsvColumns = Object.keys(cellsByColumn);
export const credentialToCsv = (card: Credential): readonly CsvCell[] =>
  Object.values(cellsByColumn).map((cellOf) => cellOf(card));
