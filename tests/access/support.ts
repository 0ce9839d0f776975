import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { ensureLocalBridge } from '#hub/domains/access/bridges/workflow.ts';
import { digestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import type { FromBridgePayload } from '#hub/domains/access/controllers/link.ts';
import {
  type FromBridge,
  schemaFromBridge,
  schemaToBridge,
  type ToBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import type { PolicyDocument, PolicyVersion } from '#hub/domains/access/decide/policy-schema.ts';
import { access as accessDomain, type BridgePort } from '#hub/domains/access/domain.ts';
import type { Access } from '#hub/domains/access/open-access.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import { recordBytes } from '#hub/domains/access/policy/record-schema.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { members as memberDomain } from '#hub/domains/members/domain.ts';
import { memberCreateSchema, membershipCreateSchema } from '#hub/domains/members/member/schema.ts';
import { createMember } from '#hub/domains/members/member/workflow.ts';
import { createMembership } from '#hub/domains/members/memberships/workflow.ts';
import { planCreateSchema } from '#hub/domains/members/plans/schema.ts';
import { createPlan } from '#hub/domains/members/plans/workflow.ts';
import type { MemberDeps } from '#hub/domains/members/workflow.ts';
import { places as placeDomain } from '#hub/domains/places/domain.ts';
import type { PlaceDeps } from '#hub/domains/places/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { RunningDomains } from '#hub/open-domains.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import type { Announced } from '#tests/_support/announcements.ts';
import { openTestDomains } from '#tests/_support/open-domains.ts';
export const startMs = Date.parse('2026-11-22T12:00:00Z');
export const staff: Actor = { kind: 'account', id: '01890000-0000-7000-8000-000000000001', name: 'Grace' };
const log = createLog({ level: 'silent' });

/** A clock that stands still, with the timers that hang on it. */
export class TestTime implements Clock {
  ms = startMs;
  readonly #timers = new Set<{ atMs: number; run: () => void }>();
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  trust(): 'ntp' {
    return 'ntp';
  }
  after = (ms: number, run: () => void): (() => void) => {
    const timer = { atMs: this.ms + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };
  advance(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= until)
        .sort((left, right) => left.atMs - right.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.ms = Math.max(this.ms, due.atMs);
      due.run();
    }
    this.ms = until;
  }
}

export interface Sent {
  readonly bridgeId: string;
  readonly name: ToBridge;
  // Tests read whatever was sent.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly payload: any;
}

/** The hub's end of a connection; everything that is sent must fit its schema. */
export class ScriptedLink implements BridgePort {
  handledBy(): void {}
  readonly connected = new Set<string>();
  readonly sent: Sent[] = [];
  readonly disconnected: string[] = [];
  onSend: (sent: Sent) => void = () => {};
  isConnected(bridgeId: string): boolean {
    return this.connected.has(bridgeId);
  }
  send(bridgeId: string, name: ToBridge, payload: unknown): boolean {
    if (!this.connected.has(bridgeId)) return false;
    const parsed = schemaToBridge[name].parse(JSON.parse(JSON.stringify(payload)));
    const sent = { bridgeId, name, payload: parsed };
    this.sent.push(sent);
    this.onSend(sent);
    return true;
  }
  disconnect(bridgeId: string): void {
    this.disconnected.push(bridgeId);
  }
  take(name: ToBridge): Sent[] {
    const taken = this.sent.filter((sent) => sent.name === name);
    for (const sent of taken) this.sent.splice(this.sent.indexOf(sent), 1);
    return taken;
  }
}

export interface Bench {
  readonly store: Store;
  readonly time: TestTime;
  readonly link: ScriptedLink;
  readonly running: RunningDomains;
  readonly access: Access;
  readonly cardKey: Uint8Array;
  readonly announced: Announced[];
  readonly members: MemberDeps;
  readonly places: PlaceDeps;
  /** Where the store's files lie. */
  readonly folder: string;
  /** Closes the store and opens it again, as a new start of the hub does. */
  readonly openAgain: (cardKey?: Uint8Array) => Promise<Bench>;
}

async function openIn(folder: string, key: Buffer, time: TestTime, cardKey: Uint8Array): Promise<Bench> {
  const store = await openStore({
    path: path.join(folder, 'hub.sqlite'),
    key,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock: time,
    log,
  });
  const link = new ScriptedLink();
  const { running, announced } = await openTestDomains({
    store,
    clock: time,
    ports: { bridges: link, after: time.after },
    secrets: { cards: cardKey },
  });
  const { access } = running.of(accessDomain);
  const members = running.of(memberDomain).deps;
  const places = running.of(placeDomain).deps;
  const openAgain = async (otherCardKey = cardKey): Promise<Bench> => {
    await store.close();
    return await openIn(folder, key, time, otherCardKey);
  };
  onTestFinished(() => store.close().catch(() => {}));
  return { store, time, link, running, access, cardKey, announced, members, places, folder, openAgain };
}

/** A real encrypted store with all tables, a claimed site in Berlin, and the access domain on it. */
export async function openBench(): Promise<Bench> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-access-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bench = await openIn(folder, randomBytes(32), new TestTime(), randomBytes(32));
  await bench.store.transact('test.site', async (tx) => {
    await tx.insert('site', {
      id: newId(),
      name: 'Werkraum',
      time_zone: 'Europe/Berlin',
      claimed_at_ms: tx.nowMs,
    });
  });
  await bench.access.start();
  return bench;
}

/** The value of a result that must not be refused. */
export function accepted<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  return result.value;
}
/** The refusal of a result that must be one. */
export function refused<R extends Refusal>(result: Result<unknown, R>): R {
  if (result.ok) throw new Error(`not refused: ${JSON.stringify(result.value)}`);
  return result.refusal;
}

export const addMember = async ({ members }: Bench, name = 'Ada Lovelace') =>
  accepted(await createMember(members, staff, memberCreateSchema.parse({ name })));

/** A member whose membership is valid from today on. */
export async function addPaidMember(bench: Bench, name = 'Ada Lovelace') {
  const { members } = bench;
  const existing = await bench.store.read.selectFrom('plan').select('id').executeTakeFirst();
  const planId =
    existing?.id ??
    accepted(
      await createPlan(
        members,
        staff,
        planCreateSchema.parse({ name: 'Standard', priceMinor: 2500, currency: 'EUR', interval: 'month' }),
      ),
    ).id;
  const member = await addMember(bench, name);
  const input = membershipCreateSchema.parse({ planId, state: 'active', from: '2026-11-01T00:00:00Z' });
  accepted(await createMembership(members, staff, member.id, input));
  return member;
}

export function card(text: string): CardRead {
  const parsed = parseCardText(text);
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  return parsed.value;
}

type Event = Extract<FromBridgePayload<'events'>['events'][number], object> & Record<string, unknown>;

/** The bridge's end, from the pages of the contract: holds a policy, a journal, and answers as told. */
export class ScriptedBridge {
  readonly bench: Bench;
  readonly id: string;
  bootId: string = crypto.randomUUID();
  journalId: string = crypto.randomUUID();
  journal: Event[] = [];
  firstSeq = 1;
  ackedSeq = 0;
  simulated = true;
  portals = [{ key: 'front', name: 'Front door', readers: ['front-in'] }];
  version: PolicyVersion | null = null;
  document: PolicyDocument | null = null;
  records = new Map<string, Uint8Array>();
  digestKeyId = '';
  withheld: string[] = [];
  requests = 0;

  constructor(bench: Bench, id: string) {
    this.bench = bench;
    this.id = id;
  }

  async say(name: FromBridge, payload: unknown): Promise<void> {
    const parsed = schemaFromBridge[name].parse(JSON.parse(JSON.stringify(payload)));
    await this.bench.access.handler.onMessage[name](this.id, parsed as never);
  }

  async connect(): Promise<void> {
    this.bench.link.connected.add(this.id);
    this.bench.access.handler.onConnected(this.id);
    await this.say('hello', {
      protocol: 1,
      bootId: this.bootId,
      journalId: this.journalId,
      release: '0.1.0',
      policy: this.version === null ? null : { ...this.version, digestKeyId: this.digestKeyId },
      journal: {
        firstSeq: this.firstSeq,
        lastSeq: this.journal.at(-1)?.seq ?? 0,
        ackedSeq: this.ackedSeq,
      },
      portals: this.portals,
      simulated: this.simulated,
      wallMs: this.bench.time.ms,
      clockTrust: 'ntp',
    });
  }

  disconnect(): void {
    this.bench.link.connected.delete(this.id);
    this.bench.access.handler.onDisconnected(this.id);
  }

  /** Asks, takes all pages one at a time, applies. Returns what the close said. */
  async pull(): Promise<{ full: boolean; pages: number; removed: string[] }> {
    this.requests += 1;
    const requestId = `request-${this.requests}`;
    const { link } = this.bench;
    await this.say('policy-ask', {
      requestId,
      epoch: this.version?.epoch ?? 0,
      revision: this.version?.revision ?? 0,
      digestKeyId: this.digestKeyId,
    });
    const pages: Uint8Array[] = [];
    for (;;) {
      const page = link.take('policy-page')[0];
      if (page === undefined) break;
      if (page.payload.requestId !== requestId || page.payload.page !== pages.length) throw new Error('page');
      pages.push(new Uint8Array(Buffer.from(page.payload.records, 'base64')));
      await this.say('policy-next', { requestId, page: pages.length });
    }
    const close = link.take('policy-close')[0]?.payload;
    if (close === undefined || close.pages !== pages.length) throw new Error('the answer did not close');
    const next = close.full ? new Map<string, Uint8Array>() : new Map(this.records);
    for (const digest of close.removed) next.delete(digest);
    for (const bytes of pages)
      for (let offset = 0; offset < bytes.length; offset += recordBytes) {
        const record = bytes.slice(offset, offset + recordBytes);
        next.set(Buffer.from(record.subarray(0, 16)).toString('hex'), record);
      }
    const all = new Uint8Array(Buffer.concat([...next.values()]));
    const hash = policyHash(recordsSum(all), documentHash(close.document));
    const fits = hash === close.version.hash;
    if (fits) {
      this.records = next;
      this.version = close.version;
      this.document = close.document;
      this.digestKeyId = close.document.digestKey.id;
    }
    await this.say('policy-applied', {
      version: this.version,
      refused: fits ? null : 'hashMismatch',
      withheldCredentialIds: this.withheld,
    });
    if (!fits) throw new Error('the hash does not fit');
    return { full: close.full, pages: pages.length, removed: close.removed };
  }

  /** The digest under which this bridge knows a card. */
  digest(text: string): string {
    const key = Buffer.from(this.document?.digestKey.key ?? '', 'base64url');
    return Buffer.from(digestOf(key, card(text))).toString('hex');
  }

  knows(text: string): boolean {
    return this.records.has(this.digest(text));
  }

  event(change: Record<string, unknown> = {}): Event {
    const event = {
      seq: (this.journal.at(-1)?.seq ?? 0) + 1,
      bootId: this.bootId,
      kind: 'boot',
      wallMs: this.bench.time.ms,
      clockTrust: 'ntp',
      monotonicMs: 1000,
      ...change,
    };
    this.journal.push(event);
    return event;
  }

  async offer(events: readonly Event[]): Promise<void> {
    await this.say('events', { journalId: this.journalId, events });
  }

  async state(change: Record<string, unknown> = {}): Promise<void> {
    await this.say('state', {
      bootId: this.bootId,
      wallMs: this.bench.time.ms,
      clockTrust: 'ntp',
      policy: this.version,
      withheldCredentialIds: this.withheld,
      journal: { lastSeq: 0, syncedSeq: 0, ackedSeq: 0, writable: true },
      portals: [
        {
          key: 'front',
          state: 'secure',
          mode: 'controlled',
          contactOpen: false,
          strikeReleased: false,
          sinceMs: this.bench.time.ms,
        },
      ],
      readers: [],
      findings: [],
      ...change,
    });
  }

  /** Answers every command of a kind with one outcome. */
  answer(outcome: (command: Record<string, unknown>) => unknown): void {
    this.bench.link.onSend = ({ name, payload }) => {
      if (name !== 'command') return;
      const given = outcome(payload);
      if (given !== undefined)
        queueMicrotask(() => void this.say('reply', { commandId: payload.commandId, outcome: given }));
    };
  }
}

/** The first bridge, connected, with the starter rule and its policy applied. */
export async function openWithBridge(): Promise<{ bench: Bench; bridge: ScriptedBridge; token: string }> {
  const bench = await openBench();
  const made = await ensureLocalBridge(bench.access.deps, 'This box');
  if (made === null) throw new Error('there is a bridge already');
  await bench.store.transact('test.starter', (tx) => bench.access.createStarterSet(tx, staff));
  const bridge = new ScriptedBridge(bench, made.bridgeId);
  await bridge.connect();
  await bridge.pull();
  bench.link.sent.length = 0;
  return { bench, bridge, token: made.token };
}

export async function firstPortal({ store }: Bench) {
  const row = await store.read.selectFrom('portal').select(['id', 'version']).executeTakeFirstOrThrow();
  return row;
}
