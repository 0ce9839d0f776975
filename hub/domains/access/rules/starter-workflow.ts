import type { Actor } from '#hub/domains/identity/schema.ts';
import { insertArea, loadAreas } from '#hub/domains/places/workflow.ts';
import type { Transaction } from '#hub/store/store.ts';
import { assertWritten } from '#hub/store/written.ts';
import { findPortals, portalChanges } from '../doors/repository.ts';
import type { AccessParts } from '../parts.ts';
import { findRules } from './repository.ts';
import { insertRule } from './workflow.ts';

/**
 * What a space that was just claimed starts with, so that the first card opens the first door: one area with all
 * doors in it, and one rule. Nothing is added where there are areas or rules already.
 */
export async function createStarterSet(parts: AccessParts, tx: Transaction, actor: Actor): Promise<void> {
  if ((await loadAreas(tx)).length === 0) {
    const areaId = parts.newId();
    await insertArea(parts, tx, actor, { id: areaId, name: 'Space', parentId: null });
    for (const portal of await findPortals(tx))
      if (portal.areaId === null)
        assertWritten(await tx.write('portal', portal.id, portalChanges({ areaId })));
    await parts.keeper.refreshDocuments(tx);
  }
  if ((await findRules(tx)).length === 0)
    await insertRule(parts, tx, actor, {
      name: 'Everyone with a valid membership, any time',
      subject: { kind: 'everyone' },
      target: { kind: 'site' },
      windows: [],
      outsideOpeningHours: true,
      validFromMs: null,
      validUntilMs: null,
    });
}
