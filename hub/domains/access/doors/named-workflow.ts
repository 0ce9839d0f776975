import { ok, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal } from '#hub/store/written.ts';
import { findPortals, type PortalRow } from './repository.ts';

/** The door by its id, or by its key where only one bridge has such a door. */
export async function findNamedPortal(
  reader: Reader,
  name: { readonly portalId?: string | undefined; readonly portalKey?: string | undefined },
): Promise<Result<PortalRow, FieldRefusal<'portalUnknown' | 'portalAmbiguous'>>> {
  const all = await findPortals(reader);
  const [portal, second] = all.filter((candidate) =>
    name.portalId === undefined ? candidate.key === name.portalKey : candidate.id === name.portalId,
  );
  const field = name.portalId === undefined ? 'portalKey' : 'portalId';
  const known = all.map((candidate) => candidate.key).slice(0, 20);
  if (portal === undefined)
    return refuse(
      fieldRefusal('portalUnknown', field, `is no door; there are: ${known.join(', ') || 'none yet'}`),
    );
  if (second !== undefined)
    return refuse(fieldRefusal('portalAmbiguous', field, 'stands for several doors: take the portalId'));
  return ok(portal);
}
