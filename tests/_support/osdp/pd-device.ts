import {
  type BuzzerCommand,
  commandIds,
  dataToBuzzer,
  dataToLeds,
  dataToOutputs,
  dataToText,
  type LedCommand,
  nakCodes,
  type OutputCommand,
  replyIds,
  type TextCommand,
  u16,
} from './pd-commands.ts';

export interface Reply {
  id: number;
  data: readonly number[];
}

export type DeviceReport =
  | { led: LedCommand }
  | { buzzer: BuzzerCommand }
  | { output: OutputCommand }
  | { text: TextCommand };

export interface DeviceOptions {
  now: () => number;
  /** 12 bytes: vendor 3, model, version, serial 4, firmware 3. */
  identity: readonly number[];
  /** Function, compliance, number. */
  capabilities: readonly (readonly [number, number, number])[];
  /** OUT may be answered with ACK or with all outputs' states. */
  outReply: 'ack' | 'ostatr';
  report: (report: DeviceReport) => void;
}

export const ack: Reply = { id: replyIds.ack, data: [] };
export const nak = (code: number): Reply => ({ id: replyIds.nak, data: [code] });

interface LedState {
  temporary: (LedCommand['temporary'] & { untilMs: number }) | null;
  permanent: LedCommand['permanent'] | null;
}
interface OutputState {
  permanent: boolean;
  timed: { on: boolean; untilMs: number } | null;
}

/** How '*' and '#' are sent: the standard's DEL and CR, or as themselves, as some keypads do. */
export type KeyCoding = 'standard' | 'ascii';
const standardKeys = new Map([
  ['*', 0x7f],
  ['#', 0x0d],
]);

export function keysToBytes(keys: string, coding: KeyCoding): number[] {
  return keys
    .split('')
    .map((key) => (coding === 'standard' ? standardKeys.get(key) : undefined) ?? key.charCodeAt(0));
}

/** `0` and `1` as they are clocked in; the last byte is filled with zeros. */
export function bitsToBytes(bits: string): number[] {
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8)
    bytes.push(Number.parseInt(bits.slice(at, at + 8).padEnd(8, '0'), 2));
  return bytes;
}

interface Waiting {
  reply: Reply;
  /** Card numbers and PINs: what must not go out in the clear. */
  isSecret: boolean;
}

/** The reader behind the link: what it shows, what it reads. Power takes all of it. */
export class PeripheralDevice {
  readonly #options: DeviceOptions;
  readonly leds = new Map<string, LedState>();
  /** Everything that was asked for, oldest first; a power cycle does not empty these records. */
  readonly ledCommands: LedCommand[] = [];
  readonly buzzes: BuzzerCommand[] = [];
  readonly outputCommands: OutputCommand[] = [];
  readonly texts: TextCommand[] = [];
  readonly inputs = [false, false];
  readonly #outputs: OutputState[] = [
    { permanent: false, timed: null },
    { permanent: false, timed: null },
  ];
  #waiting: Waiting[] = [];
  #tamper = false;
  #powerFault = false;
  acuReceiveSize: number | null = null;
  keepActiveMs: number | null = null;

  constructor(options: DeviceOptions) {
    this.#options = options;
  }

  powerCycle(): void {
    this.#waiting = [];
    this.leds.clear();
    for (const output of this.#outputs) Object.assign(output, { permanent: false, timed: null });
    this.acuReceiveSize = null;
    this.keepActiveMs = null;
  }

  get waitingEvents(): number {
    return this.#waiting.length;
  }

  card(bits: string, format: number, reader: number): void {
    const data = [reader, format, bits.length & 0xff, bits.length >> 8, ...bitsToBytes(bits)];
    this.#waiting.push({ reply: { id: replyIds.raw, data }, isSecret: true });
  }

  keys(codes: readonly number[], reader: number): void {
    const data = [reader, codes.length, ...codes];
    this.#waiting.push({ reply: { id: replyIds.keypad, data }, isSecret: true });
  }

  tamper(on: boolean): void {
    this.#tamper = on;
    this.#waiting.push({ reply: this.#localStatus(), isSecret: false });
  }

  powerFault(on: boolean): void {
    this.#powerFault = on;
    this.#waiting.push({ reply: this.#localStatus(), isSecret: false });
  }

  input(index: number, on: boolean): void {
    this.inputs[index] = on;
    this.#waiting.push({ reply: this.#inputStatus(), isSecret: false });
  }

  output(index: number): boolean {
    const output = this.#outputs[index];
    if (output === undefined) return false;
    const isTimed = output.timed !== null && this.#options.now() < output.timed.untilMs;
    return isTimed ? output.timed!.on : output.permanent;
  }

  /** What the LED does now: the temporary setting until its time is over, then the permanent one. */
  shownLed(reader: number, led: number): LedCommand['temporary'] | LedCommand['permanent'] | null {
    const state = this.leds.get(`${reader}:${led}`);
    if (state?.temporary && this.#options.now() < state.temporary.untilMs) return state.temporary;
    return state?.permanent ?? null;
  }

  /** The answer to a command of the right length that is not about the link itself. */
  execute(id: number, data: Uint8Array, maySendSecrets: boolean): Reply {
    switch (id) {
      case commandIds.poll:
        return this.#nextEvent(maySendSecrets);
      case commandIds.id:
        return { id: replyIds.pdid, data: this.#options.identity };
      case commandIds.cap:
        return { id: replyIds.pdcap, data: this.#options.capabilities.flat() };
      case commandIds.lstat:
        return this.#localStatus();
      case commandIds.istat:
        return this.#inputStatus();
      case commandIds.ostat:
        return this.#outputStatus();
      case commandIds.rstat:
        return { id: replyIds.rstatr, data: [0] };
      case commandIds.led:
        for (const command of dataToLeds(data)) this.#setLed(command);
        return ack;
      case commandIds.buz: {
        const buzzer = dataToBuzzer(data);
        this.buzzes.push(buzzer);
        this.#options.report({ buzzer });
        return ack;
      }
      case commandIds.out:
        for (const command of dataToOutputs(data)) this.#setOutput(command);
        return this.#options.outReply === 'ack' ? ack : this.#outputStatus();
      case commandIds.text: {
        const text = dataToText(data);
        if (text === null) return nak(nakCodes.length);
        this.texts.push(text);
        this.#options.report({ text });
        return ack;
      }
      case commandIds.acurxsize:
        this.acuReceiveSize = u16(data, 0);
        return ack;
      case commandIds.keepactive:
        this.keepActiveMs = u16(data, 0);
        return ack;
      case commandIds.mfg: {
        // Ours echoes; a command in another vendor's language is unknown.
        const isOurs = data.subarray(0, 3).every((byte, index) => byte === this.#options.identity[index]);
        return isOurs ? { id: replyIds.mfgrep, data: [...data] } : nak(nakCodes.unknown);
      }
      default:
        return nak(nakCodes.unknown);
    }
  }

  #nextEvent(maySendSecrets: boolean): Reply {
    const index = this.#waiting.findIndex((one) => maySendSecrets || !one.isSecret);
    return this.#waiting.splice(index, index < 0 ? 0 : 1)[0]?.reply ?? ack;
  }

  #localStatus(): Reply {
    return { id: replyIds.lstatr, data: [Number(this.#tamper), Number(this.#powerFault)] };
  }

  #inputStatus(): Reply {
    return { id: replyIds.istatr, data: this.inputs.map(Number) };
  }

  #outputStatus(): Reply {
    return { id: replyIds.ostatr, data: this.#outputs.map((_, index) => Number(this.output(index))) };
  }

  #setLed(led: LedCommand): void {
    const key = `${led.reader}:${led.led}`;
    const state = this.leds.get(key) ?? { temporary: null, permanent: null };
    if (led.permanent.code === 1) state.permanent = led.permanent;
    if (led.temporary.code === 1) state.temporary = null;
    if (led.temporary.code === 2) {
      const untilMs = this.#untilMs(led.temporary.timer);
      state.temporary = { ...led.temporary, untilMs };
    }
    this.leds.set(key, state);
    this.ledCommands.push(led);
    this.#options.report({ led });
  }

  /** Codes 3 and 4 let a running time end first; 5 and 6 go back to the lasting state after theirs. */
  #setOutput(command: OutputCommand): void {
    const output = this.#outputs[command.output];
    if (output !== undefined && command.code >= 1 && command.code <= 6) {
      const on = command.code === 2 || command.code === 4 || command.code === 5;
      if (command.code >= 5) output.timed = { on, untilMs: this.#untilMs(command.timer) };
      else output.permanent = on;
      if (command.code <= 2) output.timed = null;
    }
    this.outputCommands.push(command);
    this.#options.report({ output: command });
  }

  /** A timer of 0 never ends. */
  #untilMs(timer: number): number {
    return timer === 0 ? Number.POSITIVE_INFINITY : this.#options.now() + timer * 100;
  }
}
