import type { BridgeConfig } from '#bridge/config.ts';
import type { Journal } from '#bridge/journal/journal.ts';
import type { PinChecks } from '#bridge/pin/checks.ts';
import { type PinBy, PinDesk, type PinOutcome } from '#bridge/pin/desk.ts';
import type { LockoutFile } from '#bridge/pin/lockout-file.ts';
import { type Lookup, type Policy, PolicyAge, PolicyView } from '#bridge/policy/policy.ts';
import type {
  CommandOutcome,
  DoorCommand,
  GpioEdge,
  GpioPort,
  Later,
  ReaderDriver,
  ReaderFault,
  ReaderHooks,
  ReaderRead,
} from '#bridge/ports.ts';
import { gpioKindOf, isSerial } from '#bridge/readers/registry.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import type { SerialReaders } from '#bridge/serial/host.ts';
import {
  type AccessDecision,
  cardAlone,
  decideAccess,
  isClockTrusted,
  type Proof,
} from '#hub/domains/access/rules.ts';
import { waysInAt } from '#hub/domains/access/schedule-rules.ts';
import { type CardRead, defaultPortalSettings } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { assert } from '#hub/kernel/result.ts';
import type { BridgeState } from '#hub/mqtt/topics.ts';
import type { Clock } from '#hub/platform/clock.ts';
import { type CommandDeps, DoorCommands } from './commands.ts';
import { Door, type DoorEntry } from './door.ts';
import { standingFindings } from './findings.ts';
import { ReaderBook } from './reader-book.ts';
import { createReaderOrders } from './reader-orders.ts';

export interface DoorThreadDeps {
  readonly config: BridgeConfig;
  readonly clock: Clock;
  readonly later: Later;
  readonly journal: Journal;
  readonly gpio: GpioPort;
  readonly policyAge: PolicyAge;
  readonly reply: (commandId: string, outcome: CommandOutcome) => void;
  /** Something that a screen shows has changed. */
  readonly onChange: () => void;
  readonly onFault: (where: string, error: unknown) => void;
  readonly tap: CommandDeps['tap'];
  readonly recentCommandIds: readonly string[];
  /** Readers on serial lines, in a process of their own. */
  readonly serial: Pick<SerialReaders, 'signal' | 'pair' | 'cancelPairing' | 'switchOutput'>;
  readonly pinChecks: PinChecks;
  readonly lockouts: Pick<LockoutFile, 'stored' | 'save'>;
}

/** A card that stays at the reader is read again and again: for so long after a grant that is one tap. */
const repeatMs = 1000;
const minuteMs = 60_000;

interface LastGrant {
  readonly digest: string;
  atMs: number;
}

/** Without a policy, or without this door in it, nothing is known that could open the door. */
const unknownDoor: AccessDecision = {
  granted: false,
  reason: 'staleSnapshot',
  checks: [{ check: 'snapshotFresh', passed: false }],
  ruleId: null,
  extended: false,
};

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

/**
 * The thread that owns the doors: a read is digested, decided, written down, acted upon, in this order and without
 * waiting for anything. Whatever waits for a disk, a network or a person is somewhere else.
 */
export class DoorThread {
  readonly doors: ReadonlyMap<string, Door>;
  readonly commands: DoorCommands;
  readonly #deps: DoorThreadDeps;
  readonly #doorByReader = new Map<string, Door>();
  readonly #drivers: readonly ReaderDriver[];
  readonly #book: ReaderBook;
  readonly #desk: PinDesk;
  readonly #findings = new Map<string, Finding>();
  readonly #lastGrants = new Map<string, LastGrant>();
  #view: PolicyView | null = null;
  #cancelMinute: (() => void) | null = null;
  #clockOffsetMs: number;
  #clockTrust: ReturnType<Clock['trust']>;

  constructor(deps: DoorThreadDeps) {
    this.#deps = deps;
    const { config, clock, later, gpio } = deps;
    const append = (entry: DoorEntry): number | null => this.append(entry);
    const doors = config.portals.map(
      (wiring) =>
        new Door(wiring, {
          clock,
          later,
          gpio,
          append,
          onChange: deps.onChange,
          signalReader: (readerKey, signal) => deps.serial.signal(readerKey, signal),
          onOutputFault: (portalKey, error) => this.#noteOutputFault(portalKey, error),
        }),
    );
    this.doors = new Map(doors.map((door) => [door.key, door]));
    const readers = config.portals.flatMap((portal) => portal.readers);
    this.#book = new ReaderBook(readers, { clock, later, append, onChange: deps.onChange });
    const hooks: ReaderHooks = {
      onRead: (read) => this.#onRead(read),
      onKeys: ({ readerKey, keys }) => this.takeKeys(readerKey, keys),
      onFault: (fault) => {
        this.#book.noteFault(fault);
        deps.onChange();
      },
      onFinding: ({ readerKey, kind, message }) =>
        this.find({
          id: `reader.${readerKey}.${kind}`,
          severity: 'warning',
          evidence: message,
          fix: message,
        }),
    };
    this.#desk = this.#newDesk(readers.map((reader) => reader.key));
    this.#drivers = readers.flatMap(({ key, wiring }) =>
      isSerial(wiring) ? [] : [gpioKindOf(wiring).createDriver(key, wiring, hooks)],
    );
    for (const portal of config.portals)
      for (const reader of portal.readers) {
        const door = this.doors.get(portal.key);
        assert(door !== undefined, 'every portal has its door');
        this.#doorByReader.set(reader.key, door);
      }
    this.commands = new DoorCommands({
      clock,
      later,
      doors: this.doors,
      readers: createReaderOrders({
        readers,
        doorByReader: this.#doorByReader,
        book: this.#book,
        serial: deps.serial,
      }),
      append,
      isWritable: () => deps.journal.writable,
      reply: deps.reply,
      tap: deps.tap,
      done: deps.recentCommandIds,
    });
    this.#clockOffsetMs = clock.nowMs() - clock.monotonicMs();
    this.#clockTrust = clock.trust();
  }

  /** Takes the lines over: levels are read now, edges from now on. */
  start(): void {
    const { gpio } = this.#deps;
    gpio.onEdges = (edges, lost) => this.#onEdges(edges, lost);
    gpio.onSettled = (untilNs) => {
      for (const driver of this.#drivers) driver.onSettled(untilNs);
    };
    gpio.onFault = (fault) => {
      this.#deps.onFault('gpio', fault);
      this.find({
        id: 'gpio.fault',
        severity: 'error',
        evidence: `The GPIO port failed: ${fault.message}`,
        fix: 'Readers and doors are deaf until the bridge starts again; it does so by itself.',
      });
    };
    this.#readInputs();
    for (const door of this.doors.values()) door.refreshMode();
    this.#desk.start();
    this.#nextMinute();
  }

  append(entry: DoorEntry): number | null {
    const { clock, journal } = this.#deps;
    return journal.append({
      ...entry,
      wallMs: Math.round(clock.nowMs()),
      clockTrust: clock.trust(),
      monotonicMs: Math.max(0, Math.round(clock.monotonicMs())),
    });
  }

  #readInputs(): void {
    const { config, gpio } = this.#deps;
    for (const door of this.doors.values()) door.readInputs();
    if (config.fire !== undefined) this.#onFire(gpio.read(config.fire.line) === 1);
  }

  #onFire(active: boolean): void {
    for (const door of this.doors.values()) door.step({ kind: 'fire', active });
  }

  #onEdges(edges: readonly GpioEdge[], lost: number): void {
    for (const driver of this.#drivers) driver.onEdges(edges, lost);
    const fireLine = this.#deps.config.fire?.line;
    for (const edge of edges) {
      const level = edge.rising ? 1 : 0;
      if (edge.offset === fireLine) this.#onFire(edge.rising);
      else for (const door of this.doors.values()) if (door.onLevel(edge.offset, level)) break;
    }
    if (lost > 0) this.#readInputs();
  }

  #onRead({ readerKey, read }: Pick<ReaderRead, 'readerKey' | 'read'>): void {
    this.#book.noteRead(readerKey, read.bits);
    const door = this.#doorByReader.get(readerKey);
    if (door === undefined) return;
    if (this.commands.takeForEnrolment(readerKey, read)) {
      door.acknowledge(readerKey);
      return;
    }
    const found = this.#view?.lookUp(read) ?? null;
    const digest = found === null ? null : hexOf(found.digest);
    if (digest !== null && this.#isRepeat(readerKey, digest, door)) return;
    const memberId = found?.credential?.memberId ?? null;
    const proof = this.#proofOfCard(readerKey, memberId);
    const decision = this.#decide(door, found, proof);
    if (decision.reason === 'pinRequired' && digest !== null && memberId !== null) {
      if (this.#desk.isBusyWith(readerKey, digest)) return;
      if (!this.#desk.isChecking(readerKey)) {
        this.#desk.ask(readerKey, { read, digest, memberId });
        return;
      }
    }
    this.#desk.otherCard(readerKey);
    const seq = this.#carryOut(door, readerKey, found, decision, false);
    if (seq !== null && found !== null && found.credential === undefined)
      this.commands.keepUnknown(seq, read);
  }

  /** Writes a decision down and acts upon it; the number in the journal, or null when there was no room. */
  #carryOut(
    door: Door,
    readerKey: string,
    found: Lookup | null,
    decision: AccessDecision,
    duress: boolean,
  ): number | null {
    const digest = found === null ? null : hexOf(found.digest);
    const entry = this.#entryOf(door, readerKey, digest, found, decision);
    const seq = this.append(duress ? { ...entry, duress: true } : entry);
    const mayCount = door.settings.onJournalFault === 'grantAndCount';
    const isWritten = seq !== null || mayCount;
    if (decision.granted && isWritten) {
      if (digest !== null) this.#lastGrants.set(readerKey, { digest, atMs: this.#deps.clock.monotonicMs() });
      door.grant(seq, decision.extended);
    } else door.step({ kind: 'denied' });
    return seq;
  }

  #newDesk(readerKeys: readonly string[]): PinDesk {
    const { clock, later, pinChecks, lockouts, onChange, onFault } = this.#deps;
    return new PinDesk(readerKeys, {
      clock,
      later,
      checks: pinChecks,
      file: lockouts,
      memberOf: (number) => this.#view?.lookUpNumber(number).credential?.memberId ?? null,
      secretOf: (memberId) => this.#view?.pinOf(memberId) ?? null,
      takesNumbers: (readerKey) => this.#takesNumbers(readerKey),
      show: (readerKey, what) => this.#doorByReader.get(readerKey)?.showPin(readerKey, what),
      onLapsed: (readerKey, card) => this.#onPin(readerKey, { card }, 'none', false),
      onOutcome: (readerKey, by, outcome) => this.#onPinOutcome(readerKey, by, outcome),
      onNotTaken: (readerKey, number) =>
        this.#onPin(readerKey, { number }, this.#desk.isLocked(readerKey) ? 'refused' : 'none', false),
      onLocked: (readerKey, forMs) => {
        const portalKey = this.#doorByReader.get(readerKey)?.key;
        const note = `${String(Math.ceil(forMs / 60_000))} min`;
        this.append({
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
      pin: this.#desk.isLocked(readerKey) ? 'refused' : 'none',
      // It takes a digest, and most doors never ask.
      get hasPin() {
        return view !== null && view.pinOf(memberId) !== null;
      },
    };
  }

  #takesNumbers(readerKey: string): boolean {
    const portal = this.#doorByReader.get(readerKey)?.policyPortal ?? null;
    if (this.#view === null || portal === null) return false;
    const { clock } = this.#deps;
    const { zone } = this.#view.policy.document;
    return waysInAt(portal.settings, zone, clock.nowMs(), isClockTrusted(clock.trust())).number;
  }

  #onPinOutcome(readerKey: string, by: PinBy, outcome: PinOutcome): void {
    const pin = outcome === 'wrong' ? 'wrong' : outcome === 'unchecked' ? 'none' : 'right';
    this.#onPin(readerKey, by, pin, outcome === 'duress');
  }

  /** Decided by what is so at this moment, not by what was so when the door asked. */
  #onPin(readerKey: string, by: PinBy, pin: Proof['pin'], duress: boolean): void {
    const door = this.#doorByReader.get(readerKey);
    if (door === undefined) return;
    const found =
      ('card' in by ? this.#view?.lookUp(by.card.read) : this.#view?.lookUpNumber(by.number)) ?? null;
    const proof: Proof = { by: 'card' in by ? 'card' : 'number', pin, hasPin: true };
    this.#carryOut(door, readerKey, found, this.#decide(door, found, proof), duress);
    this.#deps.onChange();
  }

  /** A card at a reader on a serial line. */
  takeSerialRead(readerKey: string, read: CardRead): void {
    this.#onRead({ readerKey, read });
    this.#deps.onChange();
  }

  takeSerialFault(fault: ReaderFault): void {
    this.#book.noteFault(fault);
    this.#deps.onChange();
  }

  /** Digits, `*` and `#` as they were pressed; they are written down nowhere. */
  takeKeys(readerKey: string, keys: string): void {
    this.#book.noteKeys(readerKey);
    this.#desk.keys(readerKey, keys);
  }

  /** How the readers on serial lines are now; a reader that cannot be reached says nothing of its switch. */
  takeSerialStates(states: readonly SerialReaderState[]): void {
    this.#book.noteStates(states);
    for (const { readerKey, tamper, link } of states)
      if (link === 'online' && tamper !== null)
        this.#doorByReader.get(readerKey)?.noteTamper(readerKey, tamper);
  }

  noteReaderPaired(readerKey: string): void {
    this.#book.notePaired(readerKey);
    this.unfind(`reader.key.${readerKey}`);
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
    if (this.#view === null || portal === null || found === null) return unknownDoor;
    const { clock, policyAge, journal } = this.#deps;
    const moment = {
      wallMs: clock.nowMs(),
      clockTrust: clock.trust(),
      policyAgeMs: policyAge.ageMs(),
      mode: door.mode,
      journalWritable: journal.writable,
    };
    return decideAccess(this.#view.policy.document, portal, found.credential, moment, proof);
  }

  #entryOf(
    door: Door,
    readerKey: string,
    digest: string | null,
    found: Lookup | null,
    decision: AccessDecision,
  ): DoorEntry {
    const version = this.#view?.policy.version;
    const credential = found?.credential;
    return {
      kind: decision.granted ? 'granted' : 'denied',
      portalKey: door.key,
      readerKey,
      mode: door.mode,
      checks: [...decision.checks],
      ...(digest === null ? {} : { digest }),
      ...(credential === undefined
        ? {}
        : { credentialId: credential.credentialId, memberId: credential.memberId }),
      ...(decision.reason === null ? {} : { reason: decision.reason }),
      ...(decision.ruleId === null ? {} : { ruleId: decision.ruleId }),
      ...(version === undefined ? {} : { policyEpoch: version.epoch, policyRevision: version.revision }),
      ...(door.settings.observe ? { observed: true } : {}),
    };
  }

  /** The new policy decides from the next read on; locks and modes follow it at once. */
  swapPolicy(policy: Policy, report: boolean): void {
    this.#view = new PolicyView(policy);
    if (report)
      this.append({
        kind: 'policyApplied',
        policyEpoch: policy.version.epoch,
        policyRevision: policy.version.revision,
      });
    for (const door of this.doors.values())
      door.applyPolicy(this.#view.portal(door.key) ?? null, policy.document.zone);
    this.#lastGrants.clear();
    this.#deps.onChange();
  }

  command(command: DoorCommand, expiresInMs: number): void {
    this.commands.handle(command, expiresInMs);
  }

  /** Wall time has been set anew: schedules and holds follow at once. */
  onClockSet(): void {
    const { clock } = this.#deps;
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    const trust = clock.trust();
    const jumpedMs = Math.round(offsetMs - this.#clockOffsetMs);
    if (Math.abs(jumpedMs) < 2000 && trust === this.#clockTrust) return;
    const note = `${this.#clockTrust} -> ${trust}, ${jumpedMs < 0 ? '' : '+'}${String(jumpedMs)} ms`;
    this.#clockOffsetMs = offsetMs;
    this.#clockTrust = trust;
    this.append({ kind: 'clockChanged', note });
    for (const door of this.doors.values()) door.refreshMode();
    this.#deps.onChange();
  }

  #nextMinute(): void {
    const { clock, later } = this.#deps;
    const untilMs = minuteMs - (((clock.nowMs() % minuteMs) + minuteMs) % minuteMs);
    this.#cancelMinute = later(untilMs + 5, () => {
      this.onClockSet();
      for (const door of this.doors.values()) door.refreshMode();
      this.#nextMinute();
    });
  }

  find(finding: Finding): void {
    this.#findings.set(finding.id, finding);
    this.#deps.onChange();
  }

  unfind(id: string): void {
    if (this.#findings.delete(id)) this.#deps.onChange();
  }

  #noteOutputFault(portalKey: string, error: unknown): void {
    this.#deps.onFault(`output of ${portalKey}`, error);
    this.find({
      id: `output.${portalKey}`,
      severity: 'error',
      evidence: `An output of the door "${portalKey}" could not be driven.`,
      fix: 'Check the line in bridge.yaml and that no other program uses it.',
    });
  }

  report(bootId: string): BridgeState {
    const { clock, journal } = this.#deps;
    const policy = this.#view?.policy;
    return {
      bootId,
      wallMs: Math.round(clock.nowMs()),
      clockTrust: clock.trust(),
      policy: policy?.version ?? null,
      withheldCredentialIds: (policy?.withheldIds ?? []).slice(0, 10_000),
      journal: {
        lastSeq: journal.lastSeq,
        syncedSeq: journal.syncedSeq,
        ackedSeq: journal.ackedSeq,
        writable: journal.writable,
      },
      portals: [...this.doors.values()].map((door) => door.report()),
      readers: this.#book.report(),
      findings: [
        ...standingFindings({
          journal,
          clockTrust: clock.trust(),
          hasPolicy: policy !== undefined,
          lockedReaders: this.#desk.locked(),
          doors: this.#deps.config.portals.map((wiring) => ({
            wiring,
            settings: this.doors.get(wiring.key)?.settings ?? defaultPortalSettings,
          })),
        }),
        ...this.#book.findings(),
        ...this.#findings.values(),
      ].slice(0, 50),
    };
  }

  /** Locks every door and stops listening; the port itself is the caller's to close. */
  stop(): void {
    const { gpio } = this.#deps;
    gpio.onEdges = () => undefined;
    gpio.onSettled = () => undefined;
    this.#cancelMinute?.();
    this.commands.stop();
    this.#desk.stop();
    this.#book.stop();
    for (const door of this.doors.values()) door.stop();
  }
}
