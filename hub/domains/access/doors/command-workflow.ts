import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import { assertWritten, type FieldRefusal } from '#hub/store/written.ts';
import { type BridgeRefusal, refuseOutcome } from '../controllers/commands.ts';
import type { AccessParts } from '../parts.ts';
import type { PortalOverride } from '../schema.ts';
import { followPolicyChange } from './change-workflow.ts';
import type { holdOpenSchema, unlockAnswerSchema, unlockSchema } from './command-schema.ts';
import { findPortal, findPortals, type PortalRow, portalChanges } from './repository.ts';
import type { Portal } from './schema.ts';
import { loadPortal, overrideAt } from './view.ts';

/** A door is not held open for longer at a stretch. */
const maxHoldOpenMs = 7 * 86_400_000;

export type UnlockRefusal = Refusal<'portalNotFound'> | Refusal<'lockedDown'> | BridgeRefusal;

/**
 * Releases a door for some seconds. It is in the audit log before it is sent; the answer says whether the bridge saw
 * the lock move. An order that arrives late is not carried out.
 */
export async function unlockPortal(
  parts: AccessParts,
  actor: Actor,
  portalId: string,
  body: z.output<typeof unlockSchema>,
): Promise<Result<z.input<typeof unlockAnswerSchema>, UnlockRefusal>> {
  const commandId = parts.newId();
  const ordered = await parts.store.transact('door.unlock', async (tx) => {
    const portal = await findPortal(tx, portalId);
    if (portal === null) return refuse({ code: 'portalNotFound' });
    if (portal.override?.kind === 'lockdown') return refuse({ code: 'lockedDown' });
    if (!parts.link.isConnected(portal.bridgeId)) return refuse({ code: 'notConnected' });
    await recordAudit(tx, {
      actor,
      action: 'door.unlock',
      target: { table: 'portal', id: portalId },
      payload: { commandId, seconds: body.seconds, reason: body.reason },
    });
    return ok(portal);
  });
  if (!ordered.ok) return ordered;
  const { bridgeId, key, name } = ordered.value;
  const outcome = await parts.commands.send(
    bridgeId,
    { kind: 'unlock', portalKey: key, seconds: body.seconds },
    { commandId, timeoutMs: 2_000 },
  );
  if (outcome.kind === 'done')
    return ok({ commandId, stage: 'verified', sentence: `${name} is unlocked for ${body.seconds} s.` });
  if (outcome.kind === 'noAnswer')
    return ok({
      commandId,
      stage: 'sent',
      sentence: `The order was sent, but ${name} has not confirmed it. Look at the door before you order it again.`,
    });
  if (outcome.kind === 'refused' && outcome.code === 'lockedDown') return refuse({ code: 'lockedDown' });
  return refuse(refuseOutcome(outcome));
}

async function writeOverride(
  parts: AccessParts,
  tx: Transaction,
  actor: Actor,
  portal: PortalRow,
  override: PortalOverride | null,
  action: string,
): Promise<void> {
  assertWritten(await tx.write('portal', portal.id, portalChanges({ override })));
  const payload = { name: portal.name, override, before: portal.override };
  await followPolicyChange(parts, tx, actor, { action, table: 'portal', id: portal.id, payload });
}

async function showPortals(
  parts: AccessParts,
  tx: Transaction,
  portals: readonly PortalRow[],
): Promise<Portal[]> {
  const shown: Portal[] = [];
  for (const { id } of portals) {
    const portal = await loadPortal(parts, tx, id);
    assert(portal !== null, 'a portal that was just written is there');
    shown.push(portal);
  }
  return shown;
}

type Portals = { portals: Portal[] };

/** Locks one door, or all (`null`), for everybody. Replaces a hold-open. Doors that are locked down already stay so. */
export function lockDown(
  parts: AccessParts,
  actor: Actor,
  portalId: string | null,
  reason: string,
): Promise<Result<Portals, Refusal<'portalNotFound'>>> {
  return parts.store.transact('door.lockdown', async (tx) => {
    const portals = await findTargets(tx, portalId);
    if (portals === null) return refuse({ code: 'portalNotFound' });
    for (const portal of portals)
      if (portal.override?.kind !== 'lockdown')
        await writeOverride(
          parts,
          tx,
          actor,
          portal,
          { kind: 'lockdown', sinceMs: tx.nowMs, reason },
          'door.lockdown',
        );
    return ok({ portals: await showPortals(parts, tx, portals) });
  });
}

async function findTargets(tx: Transaction, portalId: string | null): Promise<PortalRow[] | null> {
  if (portalId === null) return await findPortals(tx);
  const portal = await findPortal(tx, portalId);
  return portal === null ? null : [portal];
}

/** Ends the lockdown of one door, or of all. */
export function endLockdown(
  parts: AccessParts,
  actor: Actor,
  portalId: string | null,
): Promise<Result<Portals, Refusal<'portalNotFound'> | Refusal<'notLockedDown'>>> {
  return parts.store.transact('door.endLockdown', async (tx) => {
    const portals = await findTargets(tx, portalId);
    if (portals === null) return refuse({ code: 'portalNotFound' });
    const locked = portals.filter((portal) => portal.override?.kind === 'lockdown');
    if (locked.length === 0) return refuse({ code: 'notLockedDown' });
    for (const portal of locked) await writeOverride(parts, tx, actor, portal, null, 'door.endLockdown');
    return ok({ portals: await showPortals(parts, tx, locked) });
  });
}

/** Holds a door open until a moment. A lockdown is stronger: it has to be ended first. */
export function holdOpen(
  parts: AccessParts,
  actor: Actor,
  portalId: string,
  body: z.output<typeof holdOpenSchema>,
): Promise<
  Result<Portals, Refusal<'portalNotFound'> | Refusal<'lockedDown'> | FieldRefusal<'untilInvalid'>>
> {
  const untilMs = Date.parse(body.until);
  return parts.store.transact('door.holdOpen', async (tx) => {
    const portal = await findPortal(tx, portalId);
    if (portal === null) return refuse({ code: 'portalNotFound' });
    if (portal.override?.kind === 'lockdown') return refuse({ code: 'lockedDown' });
    if (untilMs <= tx.nowMs || untilMs > tx.nowMs + maxHoldOpenMs)
      return refuse({
        code: 'untilInvalid',
        errors: [{ pointer: '/body/until', message: 'must lie ahead, at most seven days' }],
      });
    const override = { kind: 'holdOpen', sinceMs: tx.nowMs, untilMs, reason: body.reason } as const;
    await writeOverride(parts, tx, actor, portal, override, 'door.holdOpen');
    return ok({ portals: await showPortals(parts, tx, [portal]) });
  });
}

export function endHoldOpen(
  parts: AccessParts,
  actor: Actor,
  portalId: string,
): Promise<Result<Portals, Refusal<'portalNotFound'> | Refusal<'notHeldOpen'>>> {
  return parts.store.transact('door.endHoldOpen', async (tx) => {
    const portal = await findPortal(tx, portalId);
    if (portal === null) return refuse({ code: 'portalNotFound' });
    if (overrideAt(portal, tx.nowMs)?.kind !== 'holdOpen') return refuse({ code: 'notHeldOpen' });
    await writeOverride(parts, tx, actor, portal, null, 'door.endHoldOpen');
    return ok({ portals: await showPortals(parts, tx, [portal]) });
  });
}
