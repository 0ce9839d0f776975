import { randomBytes } from 'node:crypto';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import { stampToWire } from '#hub/store/entity-row.ts';
import type { Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal } from '#hub/store/written.ts';
import { digestKeyBytes } from '../cards/digest-rules.ts';
import { canDeliver, whyUnreadable } from '../cards/reader-fit-rules.ts';
import { findCredentialsById } from '../cards/repository.ts';
import { type CardRefusal, readCardText } from '../cards/workflow.ts';
import { type BridgeRefusal, refuseOutcome } from '../controllers/commands.ts';
import {
  type BridgeRow,
  type BridgeStatus,
  findBridge,
  findBridgeSecret,
  findBridgeStatuses,
  findBridges,
  findRotations,
  insertBridgeSecret,
  promoteNextKey,
  saveNextKey,
  saveTokenHash,
} from '../controllers/repository.ts';
import { findNamedPortal } from '../doors/named-workflow.ts';
import { policyHashBytes } from '../policy/hash-rules.ts';
import { deleteSet, findPolicyState, insertSet } from '../policy/repository.ts';
import type { BridgeDeps } from './deps.ts';
import type { Bridge } from './schema.ts';
import { hashToken } from './token.ts';

const newToken = (): string => randomBytes(32).toString('base64url');

async function createBridgeInside(
  deps: BridgeDeps,
  tx: Transaction,
  actor: Actor,
  name: string,
): Promise<{ bridgeId: string; token: string }> {
  const bridgeId = deps.newId();
  const digestKeyId = deps.newId();
  const token = newToken();
  await tx.insert('bridge', { id: bridgeId, name });
  await insertBridgeSecret(tx, {
    bridgeId,
    tokenHash: hashToken(token),
    digestKeyId,
    digestKey: new Uint8Array(randomBytes(digestKeyBytes)),
  });
  await insertSet(tx, { bridgeId, keyId: digestKeyId, sum: new Uint8Array(policyHashBytes) });
  await deps.keeper.refreshDocuments(tx);
  await recordAudit(tx, {
    actor,
    action: 'bridge.create',
    target: { table: 'bridge', id: bridgeId },
    payload: { name },
  });
  await deps.announceIn(tx, { topic: 'bridge.changed', data: { bridgeId, connected: false } });
  return { bridgeId, token };
}

export interface NewBridge {
  readonly bridgeId: string;
  /** 256 bits, base64url. Shown once: the store keeps only its hash. */
  readonly token: string;
}

/** A further door controller. Its records are computed before this returns. */
export async function createBridge(deps: BridgeDeps, actor: Actor, name: string): Promise<NewBridge> {
  const made = await deps.store.transact('bridge.create', (tx) => createBridgeInside(deps, tx, actor, name));
  const secret = await findBridgeSecret(deps.store.read, made.bridgeId);
  if (secret !== null) await deps.keeper.rebuildRecords(secret.digestKeyId);
  return made;
}

/** The first bridge of a hub that has none, with the token to write into its device file; null when there is one. */
export async function ensureLocalBridge(deps: BridgeDeps, name: string): Promise<NewBridge | null> {
  const made = await deps.store.transact('bridge.ensure', async (tx) =>
    (await findBridges(tx)).length > 0 ? null : await createBridgeInside(deps, tx, { kind: 'system' }, name),
  );
  if (made !== null) await deps.keeper.rebuildRecords();
  return made;
}

/**
 * Bridges whose rows came from the centre have no secrets here: each gets a digest key of its own, and a token that nobody
 * knows, so that it has to be paired again.
 */
export async function giveMissingSecrets(deps: BridgeDeps): Promise<void> {
  for (const { id } of await findBridges(deps.store.read)) {
    if ((await findBridgeSecret(deps.store.read, id)) !== null) continue;
    const digestKeyId = deps.newId();
    await deps.store.transact('bridge.giveSecrets', async (tx) => {
      await insertBridgeSecret(tx, {
        bridgeId: id,
        tokenHash: hashToken(newToken()),
        digestKeyId,
        digestKey: new Uint8Array(randomBytes(digestKeyBytes)),
      });
      await insertSet(tx, { bridgeId: id, keyId: digestKeyId, sum: new Uint8Array(policyHashBytes) });
      await deps.keeper.refreshDocuments(tx);
    });
    await deps.keeper.rebuildRecords(digestKeyId);
  }
}

/** Makes the old token worthless and ends the connection that was opened with it. */
export async function renewToken(
  deps: BridgeDeps,
  actor: Actor,
  bridgeId: string,
): Promise<Result<NewBridge, Refusal<'bridgeNotFound'>>> {
  const token = newToken();
  const renewed = await deps.store.transact('bridge.renewToken', async (tx) => {
    if ((await findBridge(tx, bridgeId)) === null) return refuse({ code: 'bridgeNotFound' });
    await saveTokenHash(tx, bridgeId, hashToken(token));
    await recordAudit(tx, {
      actor,
      action: 'bridge.renewToken',
      target: { table: 'bridge', id: bridgeId },
      payload: {},
    });
    tx.afterCommit(() => deps.link.disconnect(bridgeId));
    return ok(null);
  });
  return renewed.ok ? ok({ bridgeId, token }) : renewed;
}

/** Takes over what a rotation prepared: from here on the bridge's key is the new one, and it loads whole. */
async function finishRotation(deps: BridgeDeps, actor: Actor, bridgeId: string): Promise<void> {
  await deps.store.transact('bridge.finishRotation', async (tx) => {
    const secret = await findBridgeSecret(tx, bridgeId);
    if (secret?.nextKeyId === null || secret === null) return;
    await deleteSet(tx, bridgeId, secret.digestKeyId);
    await promoteNextKey(tx, bridgeId);
    await deps.keeper.refreshDocuments(tx);
    await recordAudit(tx, {
      actor,
      action: 'bridge.rotateKey',
      target: { table: 'bridge', id: bridgeId },
      payload: { keyId: secret.nextKeyId },
    });
  });
  await deps.keeper.maintain();
}

/**
 * Gives a bridge another digest key: every card is digested anew beside the records in use, in slices, and then all
 * are switched at once. Returns when the bridge has something to load.
 */
export async function rotateDigestKey(
  deps: BridgeDeps,
  actor: Actor,
  bridgeId: string,
): Promise<Result<null, Refusal<'bridgeNotFound'> | Refusal<'rotationRuns'>>> {
  const keyId = deps.newId();
  const begun = await deps.store.transact('bridge.beginRotation', async (tx) => {
    const secret = await findBridgeSecret(tx, bridgeId);
    if (secret === null) return refuse({ code: 'bridgeNotFound' });
    if (secret.nextKeyId !== null) return refuse({ code: 'rotationRuns' });
    await saveNextKey(tx, bridgeId, { keyId, key: new Uint8Array(randomBytes(digestKeyBytes)) });
    await insertSet(tx, { bridgeId, keyId, sum: new Uint8Array(policyHashBytes) });
    return ok(null);
  });
  if (!begun.ok) return begun;
  await deps.keeper.rebuildRecords(keyId);
  await finishRotation(deps, actor, bridgeId);
  return ok(null);
}

/** Goes on with rotations that an end of the process interrupted. */
export async function resumeRotations(deps: BridgeDeps): Promise<void> {
  for (const [bridgeId, keyId] of await findRotations(deps.store.read)) {
    await deps.keeper.rebuildRecords(keyId);
    await finishRotation(deps, { kind: 'system' }, bridgeId);
  }
}

/** Grants that waited after a restore may open again. */
export async function approveWithheld(
  deps: BridgeDeps,
  actor: Actor,
  bridgeId: string,
  credentialIds: readonly string[],
): Promise<Result<null, Refusal<'bridgeNotFound'> | BridgeRefusal>> {
  const recorded = await deps.store.transact('bridge.approve', async (tx) => {
    if ((await findBridge(tx, bridgeId)) === null) return refuse({ code: 'bridgeNotFound' });
    await recordAudit(tx, {
      actor,
      action: 'bridge.approve',
      target: { table: 'bridge', id: bridgeId },
      payload: { credentialIds: [...credentialIds] },
    });
    return ok(null);
  });
  if (!recorded.ok) return recorded;
  const outcome = await deps.commands.send(bridgeId, {
    kind: 'approve',
    credentialIds: [...credentialIds],
  });
  return outcome.kind === 'done' ? ok(null) : refuse(refuseOutcome(outcome));
}

export type TapRefusal =
  | FieldRefusal<'portalUnknown' | 'portalAmbiguous'>
  | CardRefusal
  | Refusal<'notSimulated'>
  | Refusal<'noReader'>
  | FieldRefusal<'readerCannotRead'>
  | BridgeRefusal;

/** Taps a card, or types a number, and then a PIN at a simulated reader; a bridge with real lines refuses. */
export async function tapSimulated(
  deps: BridgeDeps,
  body: {
    readonly portalId?: string | undefined;
    readonly portalKey?: string | undefined;
    readonly readerKey?: string | undefined;
    readonly card?: string | undefined;
    readonly number?: number | undefined;
    readonly pin?: string | undefined;
  },
): Promise<Result<null, TapRefusal>> {
  const card = body.card === undefined ? null : readCardText(body.card);
  if (card?.ok === false) return card;
  const portal = await findNamedPortal(deps.store.read, body);
  if (!portal.ok) return portal;
  const { bridgeId, readers } = portal.value;
  const live = deps.live.get(bridgeId);
  // In the first moment of a connection it has not said yet what it is.
  if (!deps.link.isConnected(bridgeId) || live === null) return refuse({ code: 'notConnected' });
  if (!live.hello.simulated) return refuse({ code: 'notSimulated' });
  const asked = readers.filter((key) => body.readerKey === undefined || key === body.readerKey);
  const fits = (live.state?.readers ?? []).filter(({ key }) => asked.includes(key));
  const why = card === null ? null : whyUnreadable(fits, card.value);
  if (why !== null) return refuse(fieldRefusal('readerCannotRead', 'card', why));
  const fitting = card === null ? undefined : fits.find((reader) => canDeliver(reader, card.value));
  const readerKey = fitting?.key ?? asked[0];
  if (readerKey === undefined) return refuse({ code: 'noReader' });
  const outcome = await deps.commands.send(bridgeId, {
    kind: 'tap',
    readerKey,
    ...(card === null ? {} : { read: card.value }),
    ...(body.pin === undefined
      ? {}
      : { keys: `${body.number === undefined ? '' : `${body.number}*`}${body.pin}#` }),
  });
  return outcome.kind === 'done' ? ok(null) : refuse(refuseOutcome(outcome));
}

/** Every door controller with what it does and what it has applied. */
export async function listBridges(deps: BridgeDeps): Promise<Bridge[]> {
  const { read } = deps.store;
  const statuses = await findBridgeStatuses(read);
  const desired = await findPolicyState(read);
  const bridges: Bridge[] = [];
  for (const row of await findBridges(read))
    bridges.push(await toBridge(deps, row, statuses.get(row.id) ?? null, desired));
  return bridges;
}

async function toBridge(
  deps: BridgeDeps,
  row: BridgeRow,
  status: BridgeStatus | null,
  desired: { readonly epoch: number; readonly revision: number },
): Promise<Bridge> {
  const { read } = deps.store;
  const secret = await findBridgeSecret(read, row.id);
  const live = deps.live.get(row.id);
  const connected = deps.link.isConnected(row.id);
  const applied = status?.applied ?? null;
  const current = applied?.epoch === desired.epoch && applied.revision === desired.revision;
  const withheld = (status?.withheldCredentialIds ?? []).slice(0, 200);
  const credentials = await findCredentialsById(read, withheld);
  const memberIds = [...credentials.values()].map((credential) => credential.memberId);
  const names = await loadMemberNames(read, memberIds);
  return {
    ...stampToWire(row),
    name: row.name,
    connected,
    lastSeenAt: connected ? toIso(deps.clock.nowMs()) : toIsoOrNull(status?.lastSeenAtMs ?? null),
    release: status?.release ?? null,
    simulated: status?.simulated ?? false,
    clockTrust: live?.state?.clockTrust ?? live?.hello.clockTrust ?? null,
    policy: {
      desired: { epoch: desired.epoch, revision: desired.revision },
      applied: applied === null ? null : { epoch: applied.epoch, revision: applied.revision },
      state: current
        ? 'applied'
        : !connected
          ? 'notConnected'
          : (status?.refused ?? null) === null
            ? 'pending'
            : 'refused',
      refused: status?.refused ?? null,
    },
    digestKey: { id: secret?.digestKeyId ?? '', rotating: (secret?.nextKeyId ?? null) !== null },
    journal:
      live === null || live.state === null
        ? null
        : {
            lastSeq: live.state.journal.lastSeq,
            ackedSeq: live.state.journal.ackedSeq,
            writable: live.state.journal.writable,
          },
    withheld: withheld.map((credentialId) => {
      const credential = credentials.get(credentialId);
      return {
        credentialId,
        label: credential?.label ?? null,
        memberName: credential === undefined ? null : (names.get(credential.memberId) ?? null),
      };
    }),
    findings: [
      ...(live?.state?.findings ?? []),
      ...(withheld.length === 0
        ? []
        : [
            {
              id: 'withheldCredentials',
              severity: 'warning' as const,
              evidence: `${withheld.length} cards were blocked at the door and are valid in this older copy of the hub's store.`,
              fix: 'Look at each: approve it here, or mark it lost.',
            },
          ]),
    ],
  };
}
