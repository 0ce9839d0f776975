import type { AccessEvent } from '#hub/domains/access/events/schema.ts';
import type { Appliance } from './appliance.ts';

/** Every event of the doors that the hub has, oldest first. */
export async function hubEvents(appliance: Appliance): Promise<AccessEvent[]> {
  const found: AccessEvent[] = [];
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await appliance.ask('GET', `/api/access-control/events?limit=200${after}`);
    found.push(...(page.items as AccessEvent[]));
    cursor = page.nextCursor as string | null;
  } while (cursor !== null);
  return found.reverse();
}
