import type { BridgeConfig } from '#bridge/config.ts';
import type { Policy } from '#bridge/policy/policy.ts';
import type {
  CommandOutcome,
  DoorCommand,
  GpioEdge,
  GpioPort,
  ReaderDriver,
  ReaderFault,
  ReaderHooks,
} from '#bridge/ports.ts';
import { gpioKindOf, isSerial } from '#bridge/readers/registry.ts';
import type { ReaderOrders, SerialReaderState } from '#bridge/readers/serial-driver.ts';
import type { BridgeState } from '#hub/domains/access/controllers/link-schema.ts';
import { type CardRead, defaultPortalSettings } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { assert } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { AccessControl, type DecisionDeps } from './access-control.ts';
import { type CommandDeps, DoorCommands } from './commands.ts';
import { Door, type DoorEntry } from './door.ts';
import { standingFindings } from './findings.ts';
import { createReaderCommands } from './reader-commands.ts';
import { ReaderHealth } from './reader-health.ts';
import { SerialPorts } from './serial-ports.ts';

export interface DoorThreadDeps extends DecisionDeps {
  readonly config: BridgeConfig;
  readonly gpio: GpioPort;
  readonly reply: (commandId: string, outcome: CommandOutcome) => void;
  readonly tap: CommandDeps['tap'];
  readonly recentCommandIds: readonly string[];
  /** Readers on serial lines, in a process of their own. */
  readonly serial: ReaderOrders;
}

const minuteMs = 60_000;

/**
 * Owns the doors, their lines and their readers. Nothing here waits: anything that needs a disk, a network or a
 * person runs elsewhere.
 */
export class DoorThread {
  readonly doors: ReadonlyMap<string, Door>;
  readonly commands: DoorCommands;
  readonly #deps: DoorThreadDeps;
  readonly #doorByReader = new Map<string, Door>();
  readonly #drivers: readonly ReaderDriver[];
  readonly #health: ReaderHealth;
  readonly #ports: SerialPorts;
  readonly #access: AccessControl;
  readonly #findings = new Map<string, Finding>();
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
    this.#health = new ReaderHealth(readers, { clock, later, append, onChange: deps.onChange });
    this.#ports = new SerialPorts(later, append);
    const hooks: ReaderHooks = {
      onRead: ({ readerKey, read }) => this.#access.take(readerKey, read),
      onKeys: ({ readerKey, keys }) => this.takeKeys(readerKey, keys),
      onFault: (fault) => {
        this.#health.noteFault(fault);
        deps.onChange();
      },
      onFinding: ({ readerKey, kind, message }) =>
        this.raiseFinding({
          id: `reader.${readerKey}.${kind}`,
          severity: 'warning',
          evidence: message,
          fix: message,
        }),
    };
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
      readers: createReaderCommands({
        readers,
        doorByReader: this.#doorByReader,
        health: this.#health,
        serial: deps.serial,
      }),
      append,
      isWritable: () => deps.journal.writable,
      reply: deps.reply,
      tap: deps.tap,
      done: deps.recentCommandIds,
    });
    this.#access = new AccessControl({
      ...deps,
      doorByReader: this.#doorByReader,
      health: this.#health,
      commands: this.commands,
      append,
    });
    this.#clockOffsetMs = clock.nowMs() - clock.monotonicMs();
    this.#clockTrust = clock.trust();
  }

  /** Takes over the lines: reads their levels and subscribes to edges. */
  start(): void {
    const { gpio } = this.#deps;
    gpio.onEdges = (edges, lost) => this.#onEdges(edges, lost);
    gpio.onSettled = (untilNs) => {
      for (const driver of this.#drivers) driver.onSettled(untilNs);
    };
    gpio.onFault = (fault) => {
      this.#deps.onFault('gpio', fault);
      this.raiseFinding({
        id: 'gpio.fault',
        severity: 'error',
        evidence: `The GPIO port failed: ${fault.message}`,
        fix: 'Readers and doors are deaf until the bridge starts again; it does so by itself.',
      });
    };
    this.#readInputs();
    for (const door of this.doors.values()) {
      door.refreshMode();
      door.showState();
    }
    this.#access.start();
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

  /** Takes a card read by a serial reader. */
  takeSerialRead(readerKey: string, read: CardRead): void {
    this.#access.take(readerKey, read);
    this.#deps.onChange();
  }

  takeSerialFault(fault: ReaderFault): void {
    this.#health.noteFault(fault);
    this.#deps.onChange();
  }

  /** Takes digits, `*` and `#` as they were pressed; they are never stored. */
  takeKeys(readerKey: string, keys: string): void {
    this.#health.noteKeys(readerKey);
    this.#access.keys(readerKey, keys);
  }

  /** Takes the states of serial readers; an offline reader says nothing about its tamper switch. */
  takeSerialStates(states: readonly SerialReaderState[]): void {
    this.#health.noteStates(states);
    for (const { readerKey, tamper, link } of states)
      if (link === 'online' && tamper !== null)
        this.#doorByReader.get(readerKey)?.noteTamper(readerKey, tamper);
  }

  /** Writes down that a serial port went away, as when its adapter is pulled out, and that it is back. */
  noteSerialPort(port: string, problem: string | null): void {
    this.#ports.note(port, problem);
  }

  noteReaderPaired(readerKey: string): void {
    this.#health.notePaired(readerKey);
    this.clearFinding(`reader.key.${readerKey}`);
    this.clearFinding(`reader.keyRefused.${readerKey}`);
  }

  /** The reader did not take a new key. One that has a key of its own goes on with that, so pairing is over. */
  noteKeyRefused(readerKey: string): void {
    this.#health.noteKeyRefused(readerKey);
    this.raiseFinding({
      id: `reader.keyRefused.${readerKey}`,
      severity: 'warning',
      evidence: `The reader "${readerKey}" did not take a new key. If it had a key of its own, that one stays in use.`,
      fix: 'Put the reader into install mode, as its manual says, and pair it again.',
    });
  }

  /** Makes `policy` decide from the next read on; locks and modes follow at once. */
  swapPolicy(policy: Policy, report: boolean): void {
    const view = this.#access.swapPolicy(policy);
    if (report)
      this.append({
        kind: 'policyApplied',
        policyEpoch: policy.version.epoch,
        policyRevision: policy.version.revision,
      });
    for (const door of this.doors.values())
      door.applyPolicy(view.portal(door.key) ?? null, policy.document.zone);
    this.#deps.onChange();
  }

  command(command: DoorCommand, expiresInMs: number): void {
    this.commands.handle(command, expiresInMs);
  }

  /** The wall clock was set: schedules and holds follow at once. */
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

  raiseFinding(finding: Finding): void {
    this.#findings.set(finding.id, finding);
    this.#deps.onChange();
  }

  clearFinding(id: string): void {
    if (this.#findings.delete(id)) this.#deps.onChange();
  }

  #noteOutputFault(portalKey: string, error: unknown): void {
    this.#deps.onFault(`output of ${portalKey}`, error);
    this.raiseFinding({
      id: `output.${portalKey}`,
      severity: 'error',
      evidence: `An output of the door "${portalKey}" could not be driven.`,
      fix: 'Check the line in bridge.yaml and that no other program uses it.',
    });
  }

  report(bootId: string): BridgeState {
    const { clock, journal } = this.#deps;
    const { policy } = this.#access;
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
      readers: this.#health.report(),
      findings: [
        ...standingFindings({
          journal,
          clockTrust: clock.trust(),
          hasPolicy: policy !== null,
          lockedReaders: this.#access.lockedReaders(),
          doors: this.#deps.config.portals.map((wiring) => ({
            wiring,
            settings: this.doors.get(wiring.key)?.settings ?? defaultPortalSettings,
          })),
        }),
        ...this.#health.findings(),
        ...this.#findings.values(),
      ].slice(0, 50),
    };
  }

  /** Locks every door and stops listening; the caller closes the port. */
  stop(): void {
    const { gpio } = this.#deps;
    gpio.onEdges = () => undefined;
    gpio.onSettled = () => undefined;
    this.#cancelMinute?.();
    this.commands.stop();
    this.#access.stop();
    this.#health.stop();
    this.#ports.stop();
    for (const door of this.doors.values()) door.stop();
  }
}
