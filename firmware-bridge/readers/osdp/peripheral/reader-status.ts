import {
  type Capability,
  type Command,
  capabilityCodes,
  type OutputCommand,
  type Reply,
} from '../wire/messages.ts';

const statusEveryMs = 5000;
/** The timer of a reader is not ours: its outputs are asked for so long after the end of theirs. */
const timerSlackMs = 100;
type StatusKind = 'localStatus' | 'inputStatus' | 'outputStatus';

/** The levels that a reader reports of itself, and when they are asked for; between that it announces changes itself. */
export class ReaderStatus {
  readonly #due = new Set<StatusKind>();
  readonly #unsupported = new Set<Command['kind']>();
  #capabilities: readonly Capability[] = [];
  #nextMs = 0;
  /** When outputs that were switched for a time go back, by output. */
  readonly #switchedUntilMs = new Map<number, number>();
  /** Of what is in `#due`. */
  #dueSinceMs = 0;
  /** Null while it does not say. */
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

  /** Without a session nothing is known. */
  forget(): void {
    this.tamper = null;
    this.powerFault = null;
    this.inputs = [];
    this.outputs = [];
  }

  markUnsupported(kind: Command['kind']): void {
    this.#unsupported.add(kind);
  }

  /** The reader took an order to one of its outputs, which it need not announce: its outputs are asked for now, and when its time is over. */
  expectSwitch({ output, timer }: OutputCommand, nowMs: number): void {
    if (this.#due.size === 0) this.#dueSinceMs = nowMs;
    this.#due.add('outputStatus');
    this.#switchedUntilMs.delete(output);
    if (timer > 0) this.#switchedUntilMs.set(output, nowMs + timer * 100 + timerSlackMs);
  }

  /** When there is something to ask. */
  dueAtMs(): number {
    if (this.#due.size > 0) return this.#dueSinceMs;
    return this.#switchedUntilMs.size === 0
      ? this.#nextMs
      : Math.min(this.#nextMs, ...this.#switchedUntilMs.values());
  }

  /** What is to be asked now, or null. Inputs and outputs only of a reader that says that it has some. */
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
