import type { Journal } from '#bridge/journal/journal.ts';
import type { PinChecks } from '#bridge/pin/checks.ts';
import { Keypads, type PinBy, type PinOutcome } from '#bridge/pin/keypads.ts';
import type { LockoutFile } from '#bridge/pin/lockout-file.ts';
import { type Lookup, type Policy, type PolicyAge, PolicyView } from '#bridge/policy/policy.ts';
import type { Later } from '#bridge/ports.ts';
import { type AccessDecision, cardAlone, decideAmong, type Proof } from '#hub/domains/access/decide/rules.ts';
import { waysInAt } from '#hub/domains/access/decide/schedule-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { isClockTrusted } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { DoorCommands } from './commands.ts';
import type { Door, DoorEntry } from './door.ts';
import type { ReaderHealth } from './reader-health.ts';

/** A card that stays at the reader is read repeatedly: for this long after a grant, repeats are one tap. */
const repeatMs = 1000;
interface LastGrant {
  readonly digest: string;
  atMs: number;
}

/** Without a policy, or with this door missing from it, nothing can open the door. */
const withoutPolicy: AccessDecision = {
  granted: false,
  reason: 'staleSnapshot',
  checks: [{ check: 'snapshotFresh', passed: false }],
  ruleId: null,
  extended: false,
};

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

export interface DecisionDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly journal: Journal;
  readonly policyAge: PolicyAge;
  readonly pinChecks: PinChecks;
  readonly lockouts: Pick<LockoutFile, 'stored' | 'save'>;
  /** Something that a screen shows has changed. */
  readonly onChange: () => void;
  readonly onFault: (where: string, error: unknown) => void;
}

export interface AccessControlDeps extends DecisionDeps {
  readonly doorByReader: ReadonlyMap<string, Door>;
  readonly health: ReaderHealth;
  readonly commands: DoorCommands;
  /** The number in the journal, or null when there was no room. */
  readonly append: (entry: DoorEntry) => number | null;
}

/**
 * Decides on every card and PIN: a read is digested, decided, journaled and acted upon, in this order and without
 * waiting for anything.
 */
export class AccessControl {
  readonly #deps: AccessControlDeps;
  readonly #keypads: Keypads;
  readonly #lastGrants = new Map<string, LastGrant>();
  #view: PolicyView | null = null;

  constructor(deps: AccessControlDeps) {
    this.#deps = deps;
    this.#keypads = this.#newKeypads([...deps.doorByReader.keys()]);
  }

  start(): void {
    this.#keypads.start();
  }

  stop(): void {
    this.#keypads.stop();
  }

  get policy(): Policy | null {
    return this.#view?.policy ?? null;
  }

  /** Makes `policy` decide from the next read on; returns its view for the doors. */
  swapPolicy(policy: Policy): PolicyView {
    this.#view = new PolicyView(policy);
    this.#lastGrants.clear();
    return this.#view;
  }

  keys(readerKey: string, keys: string): void {
    this.#keypads.keys(readerKey, keys);
  }

  /** Locked-out readers, and their remaining time. */
  lockedReaders(): ReturnType<Keypads['locked']> {
    return this.#keypads.locked();
  }

  /** Takes a card read at a reader. */
  take(readerKey: string, read: CardRead): void {
    const { health, commands, doorByReader } = this.#deps;
    health.noteRead(readerKey, read.bits);
    const door = doorByReader.get(readerKey);
    if (door === undefined) return;
    if (commands.takeForEnrolment(readerKey, read)) {
      door.acknowledge(readerKey);
      return;
    }
    const found = this.#view?.lookUp(read) ?? null;
    const digest = found === null ? null : hexOf(found.digest);
    if (digest !== null && this.#isRepeat(readerKey, digest, door)) return;
    const memberId = found?.memberId ?? null;
    const proof = this.#proofOfCard(readerKey, memberId);
    const decision = this.#decide(door, found, proof);
    if (decision.reason === 'pinRequired' && digest !== null && memberId !== null) {
      if (this.#keypads.isBusyWith(readerKey, digest)) return;
      if (!this.#keypads.isChecking(readerKey)) {
        this.#keypads.ask(readerKey, { read, digest, memberId });
        return;
      }
    }
    this.#keypads.otherCard(readerKey);
    const seq = this.#carryOut(door, readerKey, found, decision, false);
    if (seq !== null && found !== null && found.owners.length === 0) commands.keepUnknown(seq, read);
  }

  /** Journals a decision and acts upon it. Returns its number in the journal, or null when there was no room. */
  #carryOut(
    door: Door,
    readerKey: string,
    found: Lookup | null,
    decision: AccessDecision,
    duress: boolean,
  ): number | null {
    const digest = found === null ? null : hexOf(found.digest);
    const entry = this.#entryOf(door, readerKey, digest, found, decision);
    const seq = this.#deps.append(duress ? { ...entry, duress: true } : entry);
    const mayCount = door.settings.onJournalFault === 'grantAndCount';
    const isWritten = seq !== null || mayCount;
    if (decision.granted && isWritten) {
      if (digest !== null) this.#lastGrants.set(readerKey, { digest, atMs: this.#deps.clock.monotonicMs() });
      door.grant(seq, decision.extended);
    } else door.step({ kind: 'denied' });
    return seq;
  }

  #newKeypads(readerKeys: readonly string[]): Keypads {
    const { clock, later, pinChecks, lockouts, onChange, onFault } = this.#deps;
    return new Keypads(readerKeys, {
      clock,
      later,
      checks: pinChecks,
      file: lockouts,
      memberOf: (number) => this.#view?.lookUpNumber(number).credential?.memberId ?? null,
      secretOf: (memberId) => this.#view?.pinOf(memberId) ?? null,
      takesNumbers: (readerKey) => this.#takesNumbers(readerKey),
      show: (readerKey, what) => this.#deps.doorByReader.get(readerKey)?.showPin(readerKey, what),
      onLapsed: (readerKey, card) => this.#onPin(readerKey, { card }, 'none', false),
      onOutcome: (readerKey, by, outcome) => this.#onPinOutcome(readerKey, by, outcome),
      onIgnoredNumber: (readerKey, number) =>
        this.#onPin(readerKey, { number }, this.#keypads.isLocked(readerKey) ? 'refused' : 'none', false),
      onLocked: (readerKey, forMs) => {
        const portalKey = this.#deps.doorByReader.get(readerKey)?.key;
        const note = `${String(Math.ceil(forMs / 60_000))} min`;
        this.#deps.append({
          kind: 'pinLockout',
          readerKey,
          note,
          ...(portalKey === undefined ? {} : { portalKey }),
        });
        onChange();
      },
      onChange,
      onFault: (error) => onFault('pin', error),
    });
  }

  #proofOfCard(readerKey: string, memberId: string | null): Proof {
    if (memberId === null) return cardAlone;
    const view = this.#view;
    return {
      by: 'card',
      pin: this.#keypads.isLocked(readerKey) ? 'refused' : 'none',
      // Lazy, because it costs a digest and most doors never ask.
      get hasPin() {
        return view !== null && view.pinOf(memberId) !== null;
      },
    };
  }

  #takesNumbers(readerKey: string): boolean {
    const portal = this.#deps.doorByReader.get(readerKey)?.policyPortal ?? null;
    if (this.#view === null || portal === null) return false;
    const { clock } = this.#deps;
    const { zone } = this.#view.policy.document;
    return waysInAt(portal.settings, zone, clock.nowMs(), isClockTrusted(clock.trust())).number;
  }

  #onPinOutcome(readerKey: string, by: PinBy, outcome: PinOutcome): void {
    const pin = outcome === 'wrong' ? 'wrong' : outcome === 'unchecked' ? 'none' : 'right';
    this.#onPin(readerKey, by, pin, outcome === 'duress');
  }

  /** Decides by the present policy and time, not by those at the moment the door asked. */
  #onPin(readerKey: string, by: PinBy, pin: Proof['pin'], duress: boolean): void {
    const door = this.#deps.doorByReader.get(readerKey);
    if (door === undefined) return;
    const found =
      ('card' in by ? this.#view?.lookUp(by.card.read) : this.#view?.lookUpNumber(by.number)) ?? null;
    const proof: Proof = { by: 'card' in by ? 'card' : 'number', pin, hasPin: true };
    this.#carryOut(door, readerKey, found, this.#decide(door, found, proof), duress);
    this.#deps.onChange();
  }

  #isRepeat(readerKey: string, digest: string, door: Door): boolean {
    const last = this.#lastGrants.get(readerKey);
    const nowMs = this.#deps.clock.monotonicMs();
    if (last?.digest !== digest || nowMs - last.atMs >= repeatMs) return false;
    if (door.state !== 'granted' && door.state !== 'open') return false;
    last.atMs = nowMs;
    return true;
  }

  #decide(door: Door, found: Lookup | null, proof: Proof): AccessDecision {
    const portal = door.policyPortal;
    if (this.#view === null || portal === null || found === null) return withoutPolicy;
    const { clock, policyAge, journal } = this.#deps;
    const moment = {
      wallMs: clock.nowMs(),
      clockTrust: clock.trust(),
      policyAgeMs: policyAge.ageMs(),
      mode: door.mode,
      journalWritable: journal.writable,
    };
    return decideAmong(this.#view.policy.document, portal, found.owners, moment, proof);
  }

  #entryOf(
    door: Door,
    readerKey: string,
    digest: string | null,
    found: Lookup | null,
    decision: AccessDecision,
  ): DoorEntry {
    const version = this.#view?.policy.version;
    // Of a card that looks like another one, nobody knows whose it was.
    const credential = found?.credential;
    const memberId = found?.memberId ?? null;
    return {
      kind: decision.granted ? 'granted' : 'denied',
      portalKey: door.key,
      readerKey,
      mode: door.mode,
      checks: [...decision.checks],
      ...(digest === null ? {} : { digest }),
      ...(credential === undefined ? {} : { credentialId: credential.credentialId }),
      ...(memberId === null ? {} : { memberId }),
      ...(decision.reason === null ? {} : { reason: decision.reason }),
      ...(decision.ruleId === null ? {} : { ruleId: decision.ruleId }),
      ...(version === undefined ? {} : { policyEpoch: version.epoch, policyRevision: version.revision }),
      ...(door.settings.observe ? { observed: true } : {}),
    };
  }
}
