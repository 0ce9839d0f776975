import { timingSafeEqual } from 'node:crypto';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { loadAreas } from '#hub/domains/places/workflow.ts';
import type { Change } from '#hub/kernel/wire.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Commands } from '../controllers/commands.ts';
import type { BridgeHandler, FromBridgePayload } from '../controllers/link.ts';
import {
  findBridgeSecret,
  findBridgeStatuses,
  findCursor,
  saveApplied,
  saveCursor,
  saveHello,
  saveLastSeen,
} from '../controllers/repository.ts';
import type { AccessDeps } from '../deps.ts';
import { findPortals, insertPortal, portalChanges } from '../doors/repository.ts';
import { insertDeadLetter } from '../events/repository.ts';
import { takeEvents } from '../events/workflow.ts';
import { loadPolicyAnswer, type PolicyAnswer, pageCount, pageText } from '../policy/answer.ts';
import { policyHash } from '../policy/hash-rules.ts';
import { findDocument, findPolicyState, findSets, setEpoch } from '../policy/repository.ts';
import type { PolicyKeeper } from '../policy/workflow.ts';
import { defaultPortalSettings } from '../schema.ts';
import type { DecisionCounter } from './decision-count.ts';
import type { LiveBridges } from './live.ts';
import { hashToken } from './token.ts';

type Hello = FromBridgePayload<'hello'>;

/** Commits that come within this time are told of in one nudge. */
const nudgeDelayMs = 50;
/** An answer that a bridge stopped asking for is forgotten. */
const answerKeptMs = 60_000;
/** `last seen` is written at most this often. */
const lastSeenEveryMs = 60_000;

interface Session {
  answer: PolicyAnswer | null;
  forgetAnswer: () => void;
  /** What it holds cannot be trusted: the next answer is whole. */
  forceFull: boolean;
  lastSeenWrittenMs: number;
}

export interface BridgeSessions {
  readonly handler: BridgeHandler;
  /** Tells every connected bridge, soon, that the policy has a new revision. */
  nudge(): void;
}

interface SessionDeps extends AccessDeps {
  readonly keeper: PolicyKeeper;
  readonly commands: Commands;
  readonly live: LiveBridges;
  readonly decisions: DecisionCounter;
  /** Doors were added or changed. */
  onPortalsChanged(): Promise<void>;
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);

/** Doors that a bridge announces and the hub does not know get a row with safe settings. */
async function registerPortals(
  tx: Transaction,
  deps: Pick<AccessDeps, 'newId'>,
  bridgeId: string,
  hello: Hello,
): Promise<{ readonly portalId: string; readonly change: Change }[]> {
  const known = new Map((await findPortals(tx, bridgeId)).map((portal) => [portal.key, portal]));
  const topAreas = (await loadAreas(tx)).filter((area) => area.parentId === null);
  const onlyArea = topAreas.length === 1 ? (topAreas[0]?.id ?? null) : null;
  const changed: { readonly portalId: string; readonly change: Change }[] = [];
  for (const announced of hello.portals) {
    const portal = known.get(announced.key);
    if (portal === undefined) {
      const id = deps.newId();
      await insertPortal(tx, {
        id,
        bridgeId,
        key: announced.key,
        name: announced.name.trim() || announced.key,
        areaId: onlyArea,
        settings: defaultPortalSettings,
        override: null,
        readers: announced.readers,
      });
      await recordAudit(tx, {
        actor: { kind: 'bridge', id: bridgeId },
        action: 'portal.announce',
        target: { table: 'portal', id },
        payload: { key: announced.key, name: announced.name },
      });
      changed.push({ portalId: id, change: 'created' });
    } else if (JSON.stringify(portal.readers) !== JSON.stringify(announced.readers)) {
      await tx.write('portal', portal.id, portalChanges({ readers: announced.readers }));
      changed.push({ portalId: portal.id, change: 'changed' });
    }
  }
  return changed;
}

/** Entries that a bridge no longer has and the hub never got are gone: said so, and passed over. */
async function passOverLostEntries(
  tx: Transaction,
  deps: Pick<AccessDeps, 'newId'>,
  bridgeId: string,
  hello: Hello,
): Promise<number> {
  const { journalId } = hello;
  const held = await findCursor(tx, bridgeId, journalId);
  const { firstSeq, lastSeq } = hello.journal;
  const dead = (problem: string, seq: number): Promise<void> =>
    insertDeadLetter(tx, { id: deps.newId(), bridgeId, journalId, seq, problem, body: '{}' });
  if (lastSeq < held)
    await dead(
      `the journal ends at ${lastSeq}, but ${held} entries of it are held here: its end was lost`,
      lastSeq,
    );
  if (lastSeq === 0 || firstSeq <= held + 1) return held;
  await dead(`entries ${held + 1} to ${firstSeq - 1} are gone from the journal`, held + 1);
  await saveCursor(tx, bridgeId, journalId, firstSeq - 1);
  return firstSeq - 1;
}

export function createBridgeSessions(deps: SessionDeps): BridgeSessions {
  const { store, link, clock, log, commands, live, keeper } = deps;
  const sessions = new Map<string, Session>();
  let nudgeWaits = false;

  const sessionOf = (bridgeId: string): Session => {
    const found = sessions.get(bridgeId);
    if (found !== undefined) return found;
    const made = { answer: null, forgetAnswer: () => {}, forceFull: false, lastSeenWrittenMs: 0 };
    sessions.set(bridgeId, made);
    return made;
  };

  async function sendNudges(): Promise<void> {
    nudgeWaits = false;
    const version = await findPolicyState(store.read);
    for (const bridgeId of sessions.keys()) link.send(bridgeId, 'policy-nudge', version);
  }
  function nudge(): void {
    if (nudgeWaits) return;
    nudgeWaits = true;
    deps.after(nudgeDelayMs, () => {
      sendNudges().catch((cause: unknown) => log.error({ err: cause }, 'bridges were not told of a change'));
    });
  }

  async function welcome(bridgeId: string, ackedSeq: number): Promise<void> {
    const policy = await findPolicyState(store.read);
    link.send(bridgeId, 'welcome', { ackedSeq, policy, wallMs: clock.nowMs(), clockTrust: clock.trust() });
  }

  /** A bridge that is ahead of this store shows that the store is an older copy. */
  async function beginEpochIfRewound(tx: Transaction, bridgeId: string, hello: Hello): Promise<void> {
    const state = await findPolicyState(tx);
    const { policy } = hello;
    if (policy === null || policy.epoch < state.epoch) return;
    if (policy.epoch === state.epoch && policy.revision <= state.revision) return;
    const epoch = Math.max(policy.epoch, state.epoch) + 1;
    await setEpoch(tx, epoch);
    await recordAudit(tx, {
      actor: { kind: 'bridge', id: bridgeId },
      action: 'policy.epoch',
      target: { table: 'bridge', id: bridgeId },
      payload: { epoch, hubEpoch: state.epoch, hubRevision: state.revision, bridgeEpoch: policy.epoch },
    });
    log.warn({ bridgeId, epoch }, 'this hub is older than what a bridge holds: a new policy epoch begins');
    tx.afterCommit(nudge);
  }

  async function differsAtSameRevision(bridgeId: string, hello: Hello): Promise<boolean> {
    const state = await findPolicyState(store.read);
    const { policy } = hello;
    if (policy === null || policy.epoch !== state.epoch || policy.revision !== state.revision) return false;
    const set = (await findSets(store.read, bridgeId)).find((candidate) => candidate.current);
    const document = await findDocument(store.read, bridgeId);
    if (set === undefined || document === null) return false;
    return policyHash(set.sum, document.hash) !== policy.hash;
  }

  async function onHello(bridgeId: string, hello: Hello): Promise<void> {
    const heldSeq = await store.transact('bridge.hello', async (tx) => {
      const { policy, bootId, release, simulated } = hello;
      await saveHello(tx, { bridgeId, bootId, release, simulated, applied: policy });
      const changed = await registerPortals(tx, deps, bridgeId, hello);
      await keeper.refreshDocuments(tx);
      await beginEpochIfRewound(tx, bridgeId, hello);
      for (const { portalId, change } of changed)
        await deps.announceIn(tx, { topic: 'portal.changed', data: { portalId, change } });
      await queueForWebhooks(tx, bridgeId);
      return await passOverLostEntries(tx, deps, bridgeId, hello);
    });
    await deps.onPortalsChanged();
    const session = sessionOf(bridgeId);
    session.answer = null;
    session.forceFull = await differsAtSameRevision(bridgeId, hello);
    session.lastSeenWrittenMs = clock.nowMs();
    live.hello(bridgeId, hello);
    await welcome(bridgeId, heldSeq);
    if (session.forceFull) nudge();
    announceBridge(bridgeId);
  }

  function sendPage(bridgeId: string, answer: PolicyAnswer, page: number): void {
    const { requestId, full } = answer;
    const pages = pageCount(answer);
    if (page < pages) {
      link.send(bridgeId, 'policy-page', { requestId, page, full, records: pageText(answer, page) });
      return;
    }
    const { version, document, removed } = answer;
    link.send(bridgeId, 'policy-close', { requestId, full, pages, version, document, removed: [...removed] });
  }

  async function onAsk(bridgeId: string, ask: FromBridgePayload<'policy-ask'>): Promise<void> {
    const session = sessionOf(bridgeId);
    const answer = await store.report((reader) => loadPolicyAnswer(reader, bridgeId, ask, session.forceFull));
    if (answer === null) return;
    session.answer = answer;
    keepAnswer(session);
    sendPage(bridgeId, answer, 0);
  }

  function keepAnswer(session: Session): void {
    session.forgetAnswer();
    session.forgetAnswer = deps.after(answerKeptMs, () => {
      session.answer = null;
    });
  }

  async function onApplied(bridgeId: string, said: FromBridgePayload<'policy-applied'>): Promise<void> {
    const session = sessionOf(bridgeId);
    session.answer = null;
    session.forgetAnswer();
    session.forceFull = said.refused === 'hashMismatch';
    if (said.refused !== null)
      log.warn({ bridgeId, refused: said.refused }, 'bridge did not take the policy');
    await saveSaid(bridgeId, said.version, said.refused, said.withheldCredentialIds);
    const now = await findPolicyState(store.read);
    if (said.refused === null && said.version !== null && said.version.revision < now.revision) nudge();
  }

  async function saveSaid(
    bridgeId: string,
    applied: FromBridgePayload<'policy-applied'>['version'],
    refused: string | null,
    withheldCredentialIds: readonly string[],
  ): Promise<void> {
    await store.transact('bridge.applied', async (tx) => {
      await saveApplied(tx, bridgeId, { applied, refused, withheldCredentialIds });
      await queueForWebhooks(tx, bridgeId);
    });
    announceBridge(bridgeId);
  }

  async function onState(bridgeId: string, state: FromBridgePayload<'state'>): Promise<void> {
    if (!live.state(bridgeId, state)) return;
    const session = sessionOf(bridgeId);
    const status = (await findBridgeStatuses(store.read)).get(bridgeId);
    const changed =
      status !== undefined &&
      (status.applied?.hash !== state.policy?.hash ||
        status.applied?.revision !== state.policy?.revision ||
        status.applied?.epoch !== state.policy?.epoch ||
        status.withheldCredentialIds.join() !== state.withheldCredentialIds.join());
    if (changed) await saveSaid(bridgeId, state.policy, status.refused, state.withheldCredentialIds);
    else if (clock.nowMs() - session.lastSeenWrittenMs >= lastSeenEveryMs)
      await store.transact('bridge.seen', (tx) => saveLastSeen(tx, bridgeId));
    else return;
    session.lastSeenWrittenMs = clock.nowMs();
  }

  const bridgeChanged = (bridgeId: string) =>
    ({ topic: 'bridge.changed', data: { bridgeId, connected: link.isConnected(bridgeId) } }) as const;
  function announceBridge(bridgeId: string): void {
    deps.announce(bridgeChanged(bridgeId));
  }
  /** Live pages are told separately: once what they would load is there, and also of what no transaction writes. */
  function queueForWebhooks(tx: Transaction, bridgeId: string): Promise<void> {
    return deps.announcements.enqueue(tx, [bridgeChanged(bridgeId)]);
  }

  const handler: BridgeHandler = {
    async authenticate(username, token) {
      if (!isUuid(username)) return null;
      const secret = await findBridgeSecret(store.read, username);
      if (secret === null) return null;
      const hash = hashToken(token);
      return hash.length === secret.tokenHash.length && timingSafeEqual(hash, secret.tokenHash)
        ? username
        : null;
    },
    onConnected(bridgeId) {
      sessionOf(bridgeId);
      announceBridge(bridgeId);
    },
    onDisconnected(bridgeId) {
      sessions.get(bridgeId)?.forgetAnswer();
      sessions.delete(bridgeId);
      commands.drop(bridgeId);
      live.drop(bridgeId);
      announceBridge(bridgeId);
      store
        .transact('bridge.seen', async (tx) => {
          await saveLastSeen(tx, bridgeId);
          await queueForWebhooks(tx, bridgeId);
        })
        .catch((cause: unknown) => log.error({ err: cause, bridgeId }, 'last seen was not written'));
    },
    onMessage: {
      hello: onHello,
      async events(bridgeId, payload) {
        let gapAfter: number | null = null;
        await takeEvents(deps, bridgeId, payload, {
          onAdded: (rows) => deps.decisions.add(rows),
          onHeld: (journalId, seq) => link.send(bridgeId, 'ack', { journalId, seq }),
          onGap: (_journalId, seq) => {
            gapAfter = seq;
          },
        });
        if (gapAfter !== null) await welcome(bridgeId, gapAfter);
      },
      'policy-ask': onAsk,
      async 'policy-next'(bridgeId, next) {
        const session = sessionOf(bridgeId);
        const { answer } = session;
        if (answer === null || answer.requestId !== next.requestId || next.page > pageCount(answer)) return;
        keepAnswer(session);
        sendPage(bridgeId, answer, next.page);
      },
      'policy-applied': onApplied,
      async reply(bridgeId, reply) {
        commands.settle(bridgeId, reply);
      },
      state: onState,
    },
  };
  return { handler, nudge };
}
