import type { Place } from '#hub/store/list-order.ts';
import type { Reader } from '#hub/store/store.ts';
import { findCredentialIdsOf, findCredentialsById } from '../cards/repository.ts';
import { findEventsByTime } from './repository.ts';
import type { AccessEvent } from './schema.ts';
import { toWireEvents } from './workflow.ts';

/** Ids of a member's cards, retired ones among them. */
export const listCardIdsOf = (reader: Reader, memberId: string): Promise<readonly string[]> =>
  findCredentialIdsOf(reader, [memberId]);

/** Names of cards, by id. */
export async function loadCardLabels(
  reader: Reader,
  cardIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const cards = await findCredentialsById(reader, cardIds);
  return new Map([...cards].map(([id, { label }]) => [id, label]));
}

/** When an event happened; received, where its bridge had no clock. */
export const happenedAt = (event: Pick<AccessEvent, 'at' | 'receivedAt' | 'clockTrust'>): string =>
  event.clockTrust === 'none' ? event.receivedAt : event.at;

/** What happened with a member at doors, by the time at which it happened, the newest first. */
export async function listEventsOf(
  reader: Reader,
  memberId: string,
  page: { readonly after: Place | null; readonly limit: number },
): Promise<readonly AccessEvent[]> {
  return await toWireEvents(reader, await findEventsByTime(reader, memberId, page));
}
