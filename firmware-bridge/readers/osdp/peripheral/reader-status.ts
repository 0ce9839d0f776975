import { type Command, type OutputCommand } from '../wire/commands.ts';
import { type Capability, capabilityCodes, type Reply } from '../wire/replies.ts';

const statusEveryMs = 5000;
/** A reader's timer is not exact: its outputs are queried this long after they are due back. */
const timerSlackMs = 100;
type StatusKind = 'localStatus' | 'inputStatus' | 'outputStatus';

/** The levels that a reader reports about itself, and when to query them; it announces changes in between. */
export class ReaderStatus {
  readonly #due = new Set<StatusKind>();
  readonly #unsupported = new Set<Command['kind']>();
  #capabilities: readonly Capability[] = [];
  #nextMs = 0;
  /** When outputs on a timer go back, by output. */
  readonly #switchedUntilMs = new Map<number, number>();
  /** When the queries in `#due` became due. */
  #dueSinceMs = 0;
  /** Null until reported. */
  tamper: boolean | null = null;
  powerFault: boolean | null = null;
  inputs: readonly boolean[] = [];
  outputs: readonly boolean[] = [];

  setCapabilities(capabilities: readonly Capability[]): void {
    this.#capabilities = capabilities;
  }

  begin(nowMs: number): void {
    this.#due.clear();
    this.#unsupported.clear();
    this.#switchedUntilMs.clear();
    this.#nextMs = nowMs;
  }

  /** Without a session every level is unknown. */
  forget(): void {
    this.tamper = null;
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

  take(reply: Reply & { readonly kind: StatusKind }): void {
    if (reply.kind === 'inputStatus') this.inputs = reply.active;
    else if (reply.kind === 'outputStatus') this.outputs = reply.active;
    else {
      this.tamper = reply.tamper;
      this.powerFault = reply.powerFault;
    }
  }

  #has(code: number): boolean {
    return this.#capabilities.some((capability) => capability.code === code && capability.count > 0);
  }
}
