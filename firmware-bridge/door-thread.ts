import { type AccessDecision, decideAccess } from '#hub/domains/access/rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { assert } from '#hub/kernel/result.ts';
import type { BridgeState } from '#hub/mqtt/topics.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { BridgeConfig } from './config.ts';
import { Door, type DoorEntry } from './door.ts';
import { DoorCommands } from './door-commands.ts';
import type { Later } from './feedback.ts';
import type { Journal } from './journal.ts';
import type { CommandOutcome, DoorCommand } from './link-messages.ts';
import { type Lookup, type Policy, PolicyAge, PolicyView } from './policy.ts';
import type { GpioEdge, GpioPort, ReaderDriver, ReaderFault, ReaderHooks, ReaderRead } from './ports.ts';
import { ReaderBook } from './reader-book.ts';
import { createReaderOrders } from './reader-orders.ts';
import { createReader } from './readers/registry.ts';
import type { SerialReaderState } from './serial/line.ts';
import type { SerialReaders } from './serial/serial-host.ts';

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
  readonly tap: ((readerKey: string, read: ReaderRead['read']) => Promise<void>) | null;
  readonly recentCommandIds: readonly string[];
  /** Readers on serial lines, in a process of their own. */
  readonly serial: Pick<SerialReaders, 'signal' | 'pair' | 'cancelPairing'>;
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
    this.#drivers = readers
      .map((reader) => createReader(reader.key, reader.wiring, hooks))
      .filter((driver) => driver !== null);
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
    const decision = this.#decide(door, found);
    const seq = this.append(this.#entryOf(door, readerKey, digest, found, decision));
    const mayCount = door.settings.onJournalFault === 'grantAndCount';
    const isWritten = seq !== null || mayCount;
    if (decision.granted && isWritten) {
      if (digest !== null) this.#lastGrants.set(readerKey, { digest, atMs: this.#deps.clock.monotonicMs() });
      door.grant(seq, decision.extended);
      return;
    }
    door.step({ kind: 'denied' });
    if (seq !== null && found !== null && found.credential === undefined)
      this.commands.keepUnknown(seq, read);
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

  noteKeys(readerKey: string): void {
    this.#book.noteKeys(readerKey);
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

  #decide(door: Door, found: Lookup | null): AccessDecision {
    const portal = door.policyPortal;
    if (this.#view === null || portal === null || found === null) return unknownDoor;
    const { clock, policyAge, journal } = this.#deps;
    return decideAccess(this.#view.policy.document, portal, found.credential, {
      wallMs: clock.nowMs(),
      clockTrust: clock.trust(),
      policyAgeMs: policyAge.ageMs(),
      mode: door.mode,
      journalWritable: journal.writable,
    });
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

  #standingFindings(): Finding[] {
    const { journal, clock } = this.#deps;
    const findings: Finding[] = [];
    if (!journal.writable)
      findings.push({
        id: 'journal.notWritable',
        severity: 'error',
        evidence: `The journal cannot be written; ${String(journal.lostEvents)} events were lost.`,
        fix: "Free space on the bridge's disk. It goes on by itself.",
      });
    if (this.#view === null)
      findings.push({
        id: 'policy.none',
        severity: 'error',
        evidence: 'This bridge has no policy: it opens for nobody.',
        fix: 'Connect it to its hub.',
      });
    if (clock.trust() === 'none')
      findings.push({
        id: 'clock.none',
        severity: 'warning',
        evidence: 'Nothing has set the clock since the start.',
        fix: 'Let the hub reach a time server, or give the box a battery-backed clock.',
      });
    return findings;
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
      findings: [...this.#standingFindings(), ...this.#book.findings(), ...this.#findings.values()].slice(
        0,
        50,
      ),
    };
  }

  /** Locks every door and stops listening; the port itself is the caller's to close. */
  stop(): void {
    const { gpio } = this.#deps;
    gpio.onEdges = () => undefined;
    gpio.onSettled = () => undefined;
    this.#cancelMinute?.();
    this.commands.stop();
    this.#book.stop();
    for (const door of this.doors.values()) door.stop();
  }
}
