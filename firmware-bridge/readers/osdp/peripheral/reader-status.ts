import { unreachable } from '#hub/kernel/result.ts';
import { type Command, type OutputCommand } from '../wire/commands.ts';
import { type Capability, capabilityCodes, type Reply } from '../wire/replies.ts';

const statusEveryMs = 5000;
/** A reader's timer is not exact: its outputs are queried this long after they are due back. */
const timerSlackMs = 100;
/** A read head that is not there, or whose housing is open (OSDP 2.2, 7.8). */
const headStates = { notConnected: 1, tampered: 2 } as const;
type StatusKind = 'localStatus' | 'inputStatus' | 'outputStatus' | 'readerStatus' | 'capabilities';
type StatusReply = Reply & { readonly kind: StatusKind };

export const isStatus = (reply: Reply): reply is StatusReply =>
  reply.kind === 'localStatus' ||
  reply.kind === 'inputStatus' ||
  reply.kind === 'outputStatus' ||
  reply.kind === 'readerStatus' ||
  reply.kind === 'capabilities';

/** The levels that a reader reports about itself, and when to query them; it announces changes in between. */
export class ReaderStatus {
  readonly #due = new Set<StatusKind | 'identity'>();
  readonly #unsupported = new Set<Command['kind']>();
  #capabilities: readonly Capability[] = [];
  #nextMs = 0;
  /** When outputs on a timer go back, by output. */
  readonly #switchedUntilMs = new Map<number, number>();
  /** When the queries in `#due` became due. */
  #dueSinceMs = 0;
  #housingOpen: boolean | null = null;
  /** A read head on a cable of its own. */
  #headTampered: boolean | null = null;
  /** Null until reported. */
  powerFault: boolean | null = null;
  inputs: readonly boolean[] = [];
  outputs: readonly boolean[] = [];

  setCapabilities(capabilities: readonly Capability[]): void {
    this.#capabilities = capabilities;
  }

  /** Of the housing or of a read head; null until reported. */
  get tamper(): boolean | null {
    return this.#headTampered === true ? true : (this.#housingOpen ?? this.#headTampered);
  }

  /** `missing`: what the reader did not say outside the session, asked for once. */
  begin(nowMs: number, missing: readonly ('identity' | 'capabilities')[]): void {
    this.#due.clear();
    for (const kind of missing) this.#due.add(kind);
    this.#dueSinceMs = nowMs;
    this.#unsupported.clear();
    this.#switchedUntilMs.clear();
    this.#nextMs = nowMs;
  }

  /** Without a session every level is unknown. */
  forget(): void {
    this.#housingOpen = null;
    this.#headTampered = null;
    this.powerFault = null;
    this.inputs = [];
    this.outputs = [];
  }

  markUnsupported(kind: Command['kind']): void {
    this.#unsupported.add(kind);
  }

  /** The reader switched an output, which it need not announce: queries its outputs now, and once its time is over. */
  expectSwitch({ output, timer }: OutputCommand, nowMs: number): void {
    if (this.#due.size === 0) this.#dueSinceMs = nowMs;
    this.#due.add('outputStatus');
    this.#switchedUntilMs.delete(output);
    if (timer > 0) this.#switchedUntilMs.set(output, nowMs + timer * 100 + timerSlackMs);
  }

  /** When the next query is due. */
  dueAtMs(): number {
    if (this.#due.size > 0) return this.#dueSinceMs;
    return this.#switchedUntilMs.size === 0
      ? this.#nextMs
      : Math.min(this.#nextMs, ...this.#switchedUntilMs.values());
  }

  /** Returns the query that is due, or null. Inputs and outputs only if the reader reported any. */
  next(nowMs: number): Command | null {
    if (nowMs >= this.#nextMs) {
      this.#dueSinceMs = this.#nextMs;
      this.#nextMs = nowMs + statusEveryMs;
      this.#due.add('localStatus');
      // It may be announced once only, and so may its end.
      if (this.#headTampered === true) this.#due.add('readerStatus');
      if (this.#has(capabilityCodes.inputs)) this.#due.add('inputStatus');
      if (this.#has(capabilityCodes.outputs)) this.#due.add('outputStatus');
    }
    for (const [output, untilMs] of this.#switchedUntilMs)
      if (nowMs >= untilMs) {
        if (this.#due.size === 0) this.#dueSinceMs = untilMs;
        this.#switchedUntilMs.delete(output);
        this.#due.add('outputStatus');
      }
    for (const kind of this.#due) {
      this.#due.delete(kind);
      if (!this.#unsupported.has(kind)) return { kind };
    }
    return null;
  }

  take(reply: StatusReply): void {
    switch (reply.kind) {
      case 'inputStatus':
        this.inputs = reply.active;
        return;
      case 'outputStatus':
        this.outputs = reply.active;
        return;
      case 'readerStatus':
        this.#headTampered =
          reply.states.includes(headStates.tampered) || reply.states[0] === headStates.notConnected;
        return;
      case 'capabilities':
        this.setCapabilities(reply.capabilities);
        return;
      case 'localStatus':
        this.#housingOpen = reply.tamper;
        this.powerFault = reply.powerFault;
        return;
      default:
        unreachable(reply);
    }
  }

  #has(code: number): boolean {
    return this.#capabilities.some((capability) => capability.code === code && capability.count > 0);
  }
}
