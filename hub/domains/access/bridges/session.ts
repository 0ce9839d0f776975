import { timingSafeEqual } from 'node:crypto';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { loadAreas } from '#hub/domains/places/workflow.ts';
import { toPlainLine } from '#hub/kernel/plain-text.ts';
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
import type { EventDeps } from '../events/deps.ts';
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

interface SessionDeps extends EventDeps, Pick<AccessDeps, 'clock' | 'link' | 'after' | 'announceIn'> {
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
      const name = toPlainLine(announced.name.trim()) || announced.key;
      await insertPortal(tx, {
        id,
        bridgeId,
        key: announced.key,
        name,
        areaId: onlyArea,
        settings: defaultPortalSettings,
        override: null,
        readers: announced.readers,
      });
      await recordAudit(tx, {
        actor: { kind: 'bridge', id: bridgeId },
        action: 'portal.announce',
        target: { table: 'portal', id },
        payload: { key: announced.key, name },
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

/** The bridges that are connected, and what each of them says and asks. */
export class BridgeSessions {
  readonly #deps: SessionDeps;
  readonly #sessions = new Map<string, Session>();
  #nudgeWaits = false;
  /** For the broker. */
  readonly handler: BridgeHandler;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.handler = {
      authenticate: (username, token) => this.#authenticate(username, token),
      onConnected: (bridgeId) => this.#connected(bridgeId),
      onDisconnected: (bridgeId) => this.#disconnected(bridgeId),
      onMessage: {
        hello: (bridgeId, hello) => this.#takeHello(bridgeId, hello),
        events: (bridgeId, payload) => this.#takeEvents(bridgeId, payload),
        'policy-ask': (bridgeId, ask) => this.#answerAsk(bridgeId, ask),
        'policy-next': async (bridgeId, next) => this.#sendNext(bridgeId, next),
        'policy-applied': (bridgeId, said) => this.#noteApplied(bridgeId, said),
        reply: async (bridgeId, reply) => deps.commands.settle(bridgeId, reply),
        state: (bridgeId, state) => this.#takeState(bridgeId, state),
      },
    };
  }

  #sessionOf(bridgeId: string): Session {
    const found = this.#sessions.get(bridgeId);
    if (found !== undefined) return found;
    const made = { answer: null, forgetAnswer: () => {}, forceFull: false, lastSeenWrittenMs: 0 };
    this.#sessions.set(bridgeId, made);
    return made;
  }

  async #sendNudges(): Promise<void> {
    this.#nudgeWaits = false;
    const version = await findPolicyState(this.#deps.store.read);
    for (const bridgeId of this.#sessions.keys()) this.#deps.link.send(bridgeId, 'policy-nudge', version);
  }
  /** Tells every connected bridge, soon, that the policy has a new revision. */
  nudge(): void {
    if (this.#nudgeWaits) return;
    this.#nudgeWaits = true;
    this.#deps.after(nudgeDelayMs, () => {
      this.#sendNudges().catch((cause: unknown) =>
        this.#deps.log.error({ err: cause }, 'bridges were not told of a change'),
      );
    });
  }

  async #welcome(bridgeId: string, ackedSeq: number): Promise<void> {
    const policy = await findPolicyState(this.#deps.store.read);
    this.#deps.link.send(bridgeId, 'welcome', {
      ackedSeq,
      policy,
      wallMs: this.#deps.clock.nowMs(),
      clockTrust: this.#deps.clock.trust(),
    });
  }

  /** A bridge that is ahead of this store shows that the store is an older copy. */
  async #beginEpochIfRewound(tx: Transaction, bridgeId: string, hello: Hello): Promise<void> {
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
    this.#deps.log.warn(
      { bridgeId, epoch },
      'this hub is older than what a bridge holds: a new policy epoch begins',
    );
    tx.afterCommit(() => this.nudge());
  }

  async #differsAtSameRevision(bridgeId: string, hello: Hello): Promise<boolean> {
    const state = await findPolicyState(this.#deps.store.read);
    const { policy } = hello;
    if (policy === null || policy.epoch !== state.epoch || policy.revision !== state.revision) return false;
    const set = (await findSets(this.#deps.store.read, bridgeId)).find((candidate) => candidate.current);
    const document = await findDocument(this.#deps.store.read, bridgeId);
    if (set === undefined || document === null) return false;
    return policyHash(set.sum, document.hash) !== policy.hash;
  }

  async #takeHello(bridgeId: string, hello: Hello): Promise<void> {
    const heldSeq = await this.#deps.store.transact('bridge.hello', async (tx) => {
      const { policy, bootId, release, simulated } = hello;
      await saveHello(tx, { bridgeId, bootId, release, simulated, applied: policy });
      const changed = await registerPortals(tx, this.#deps, bridgeId, hello);
      await this.#deps.keeper.refreshDocuments(tx);
      await this.#beginEpochIfRewound(tx, bridgeId, hello);
      for (const { portalId, change } of changed)
        await this.#deps.announceIn(tx, { topic: 'portal.changed', data: { portalId, change } });
      await this.#queueForWebhooks(tx, bridgeId);
      return await passOverLostEntries(tx, this.#deps, bridgeId, hello);
    });
    await this.#deps.onPortalsChanged();
    const session = this.#sessionOf(bridgeId);
    session.answer = null;
    session.forceFull = await this.#differsAtSameRevision(bridgeId, hello);
    session.lastSeenWrittenMs = this.#deps.clock.nowMs();
    this.#deps.live.hello(bridgeId, hello);
    await this.#welcome(bridgeId, heldSeq);
    if (session.forceFull) this.nudge();
    this.#announceBridge(bridgeId);
  }

  #sendPage(bridgeId: string, answer: PolicyAnswer, page: number): void {
    const { requestId, full } = answer;
    const pages = pageCount(answer);
    if (page < pages) {
      this.#deps.link.send(bridgeId, 'policy-page', {
        requestId,
        page,
        full,
        records: pageText(answer, page),
      });
      return;
    }
    const { version, document, removed } = answer;
    this.#deps.link.send(bridgeId, 'policy-close', {
      requestId,
      full,
      pages,
      version,
      document,
      removed: [...removed],
    });
  }

  async #answerAsk(bridgeId: string, ask: FromBridgePayload<'policy-ask'>): Promise<void> {
    const session = this.#sessionOf(bridgeId);
    const answer = await this.#deps.store.report((reader) =>
      loadPolicyAnswer(reader, bridgeId, ask, session.forceFull),
    );
    if (answer === null) return;
    session.answer = answer;
    this.#keepAnswer(session);
    this.#sendPage(bridgeId, answer, 0);
  }

  #keepAnswer(session: Session): void {
    session.forgetAnswer();
    session.forgetAnswer = this.#deps.after(answerKeptMs, () => {
      session.answer = null;
    });
  }

  async #noteApplied(bridgeId: string, said: FromBridgePayload<'policy-applied'>): Promise<void> {
    const session = this.#sessionOf(bridgeId);
    session.answer = null;
    session.forgetAnswer();
    session.forceFull = said.refused === 'hashMismatch';
    if (said.refused !== null)
      this.#deps.log.warn({ bridgeId, refused: said.refused }, 'bridge did not take the policy');
    await this.#saveSaid(bridgeId, said.version, said.refused, said.withheldCredentialIds);
    const now = await findPolicyState(this.#deps.store.read);
    if (said.refused === null && said.version !== null && said.version.revision < now.revision) this.nudge();
  }

  async #saveSaid(
    bridgeId: string,
    applied: FromBridgePayload<'policy-applied'>['version'],
    refused: string | null,
    withheldCredentialIds: readonly string[],
  ): Promise<void> {
    await this.#deps.store.transact('bridge.applied', async (tx) => {
      await saveApplied(tx, bridgeId, { applied, refused, withheldCredentialIds });
      await this.#queueForWebhooks(tx, bridgeId);
    });
    this.#announceBridge(bridgeId);
  }

  async #takeState(bridgeId: string, state: FromBridgePayload<'state'>): Promise<void> {
    if (!this.#deps.live.state(bridgeId, state)) return;
    const session = this.#sessionOf(bridgeId);
    const status = (await findBridgeStatuses(this.#deps.store.read)).get(bridgeId);
    const changed =
      status !== undefined &&
      (status.applied?.hash !== state.policy?.hash ||
        status.applied?.revision !== state.policy?.revision ||
        status.applied?.epoch !== state.policy?.epoch ||
        status.withheldCredentialIds.join() !== state.withheldCredentialIds.join());
    if (changed) await this.#saveSaid(bridgeId, state.policy, status.refused, state.withheldCredentialIds);
    else if (this.#deps.clock.nowMs() - session.lastSeenWrittenMs >= lastSeenEveryMs)
      await this.#deps.store.transact('bridge.seen', (tx) => saveLastSeen(tx, bridgeId));
    else return;
    session.lastSeenWrittenMs = this.#deps.clock.nowMs();
  }

  #bridgeChanged(bridgeId: string) {
    const connected = this.#deps.link.isConnected(bridgeId);
    return { topic: 'bridge.changed', data: { bridgeId, connected } } as const;
  }

  #announceBridge(bridgeId: string): void {
    this.#deps.announce(this.#bridgeChanged(bridgeId));
  }
  /** Live pages are told separately: once what they would load is there, and also of what no transaction writes. */
  #queueForWebhooks(tx: Transaction, bridgeId: string): Promise<void> {
    return this.#deps.announcements.enqueue(tx, [this.#bridgeChanged(bridgeId)]);
  }

  async #authenticate(username: string, token: string): Promise<string | null> {
    if (!isUuid(username)) return null;
    const secret = await findBridgeSecret(this.#deps.store.read, username);
    if (secret === null) return null;
    const hash = hashToken(token);
    return hash.length === secret.tokenHash.length && timingSafeEqual(hash, secret.tokenHash)
      ? username
      : null;
  }

  #connected(bridgeId: string): void {
    this.#sessionOf(bridgeId);
    this.#announceBridge(bridgeId);
  }

  #disconnected(bridgeId: string): void {
    this.#sessions.get(bridgeId)?.forgetAnswer();
    this.#sessions.delete(bridgeId);
    this.#deps.commands.drop(bridgeId);
    this.#deps.live.drop(bridgeId);
    this.#announceBridge(bridgeId);
    this.#deps.store
      .transact('bridge.seen', async (tx) => {
        await saveLastSeen(tx, bridgeId);
        await this.#queueForWebhooks(tx, bridgeId);
      })
      .catch((cause: unknown) => this.#deps.log.error({ err: cause, bridgeId }, 'last seen was not written'));
  }

  async #takeEvents(bridgeId: string, payload: FromBridgePayload<'events'>): Promise<void> {
    let gapAfter: number | null = null;
    await takeEvents(this.#deps, bridgeId, payload, {
      onAdded: (rows) => this.#deps.decisions.add(rows),
      onHeld: (journalId, seq) => this.#deps.link.send(bridgeId, 'ack', { journalId, seq }),
      onGap: (_journalId, seq) => {
        gapAfter = seq;
      },
    });
    if (gapAfter !== null) await this.#welcome(bridgeId, gapAfter);
  }

  #sendNext(bridgeId: string, next: FromBridgePayload<'policy-next'>): void {
    const session = this.#sessionOf(bridgeId);
    const { answer } = session;
    if (answer === null || answer.requestId !== next.requestId || next.page > pageCount(answer)) return;
    this.#keepAnswer(session);
    this.#sendPage(bridgeId, answer, next.page);
  }
}
