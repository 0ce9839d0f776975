import type { z } from 'zod';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { LineColumn } from '#hub/store/line-format.ts';
import type { Place } from '#hub/store/list-order.ts';
import { wordEvent } from '../decide/event-rules.ts';
import type { AccessDeps } from '../deps.ts';
import { accessEventKindSchema, denyReasons } from '../schema.ts';
import { type EventPage, findMembersOfEvents, flatEvents, withIds } from './repository.ts';
import type { eventQuerySchema } from './schema.ts';

/** Events in one piece, and so in one turn of the reader Worker. */
const eventsPerPiece = 1000;

const sentences: Readonly<Record<string, string>> = Object.fromEntries([
  ...accessEventKindSchema.options.map(
    (kind) => [kind, wordEvent({ kind, reason: null, observed: false }).sentence] as const,
  ),
  ...denyReasons.map(
    (reason) => [reason, wordEvent({ kind: 'denied', reason, observed: false }).sentence] as const,
  ),
]);

const columnsWith = (
  memberNames: Readonly<Record<string, string>>,
): readonly (LineColumn & { readonly title: string })[] => [
  { title: 'id', name: 'id' },
  { title: 'kind', name: 'kind' },
  { title: 'at', name: 'at_ms', form: 'time' },
  { title: 'clockTrust', name: 'clock_trust' },
  { title: 'receivedAt', name: 'created_at_ms', form: 'time' },
  { title: 'bridge', name: 'bridge' },
  { title: 'portal', name: 'portal' },
  { title: 'reader', name: 'reader_key' },
  { title: 'memberId', name: 'member_id' },
  { title: 'member', name: 'member_id', words: memberNames },
  { title: 'credentialId', name: 'credential_id' },
  { title: 'credential', name: 'credential' },
  { title: 'reason', name: 'reason' },
  { title: 'why', name: 'why', words: sentences },
  { title: 'rule', name: 'rule' },
  { title: 'observed', name: 'observed', form: 'flag' },
  { title: 'mode', name: 'mode' },
  { title: 'count', name: 'count' },
  { title: 'note', name: 'note' },
];

export const eventCsvColumns = columnsWith({}).map((column) => column.title);

const idOf = (row: unknown): Place | null =>
  typeof row === 'object' && row !== null && 'id' in row && typeof row.id === 'string' ? [row.id] : null;

/** All events that fit as CSV lines, made in the reader Worker, a piece in each turn. */
export async function* streamEventLines(
  deps: Pick<AccessDeps, 'store'>,
  query: z.output<typeof eventQuerySchema>,
  delimiter: CsvDelimiter = 'comma',
): AsyncGenerator<Uint8Array> {
  const isOldestFirst = !isReversed(query.sort);
  const filter = await deps.store.report((reader) => withIds(reader, query));
  if (filter === null) return;
  let after: Place | null = null;
  do {
    const page: EventPage = { isOldestFirst, after, limit: eventsPerPiece };
    const piece = await deps.store.report(async (reader, toLines) => {
      const members = await findMembersOfEvents(reader, filter, page);
      const names = Object.fromEntries(await loadMemberNames(reader, members));
      return await toLines(flatEvents(reader, filter, page), columnsWith(names), delimiter);
    });
    yield piece.lines;
    after = piece.rows < eventsPerPiece ? null : idOf(piece.last);
  } while (after !== null);
}
