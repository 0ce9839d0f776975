import type { Reader as StoreReader } from '#hub/store/store.ts';
import { readerId } from '../controllers/reader-id-schema.ts';
import { findBridges } from '../controllers/repository.ts';
import { findPortals, type PortalRow } from '../doors/repository.ts';
import type { AccessParts } from '../parts.ts';
import { type Reader } from './schema.ts';

export interface ReaderPlace {
  readonly bridgeId: string;
  readonly readerKey: string;
  readonly portal: PortalRow;
}

/** The bridge, the door and the reader's key that a reader's id stands for. */
export async function findReader(reader: StoreReader, id: string): Promise<ReaderPlace | null> {
  for (const portal of await findPortals(reader))
    for (const readerKey of portal.readers)
      if (readerId(portal.bridgeId, readerKey) === id)
        return { bridgeId: portal.bridgeId, readerKey, portal };
  return null;
}

/** Every reader of every door, by the door's name, with what it does now. */
export async function listReaders(parts: AccessParts): Promise<Reader[]> {
  const { read } = parts.store;
  const bridgeNames = new Map((await findBridges(read)).map(({ id, name }) => [id, name]));
  return (await findPortals(read)).flatMap((portal) => {
    const { bridgeId } = portal;
    const connected = parts.link.isConnected(bridgeId);
    return portal.readers.map((key) => ({
      id: readerId(bridgeId, key),
      key,
      bridgeId,
      bridgeName: bridgeNames.get(bridgeId) ?? 'Removed controller',
      portalId: portal.id,
      portalName: portal.name,
      connected,
      live: connected ? parts.live.reader(bridgeId, key) : null,
    }));
  });
}
