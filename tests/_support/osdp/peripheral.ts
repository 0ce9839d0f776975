import { seededRandom } from '#tests/_support/seeded-random.ts';
import { checkData, commandIds, nakCodes, replyIds, u32, u32Bytes } from './pd-commands.ts';
import { ack, keysToBytes, nak, PeripheralDevice, type Reply } from './pd-device.ts';
import { FaultPlan } from './pd-faults.ts';
import { broadcast, decodeFrame, type Frame, type FrameHead } from './pd-frame.ts';
import { ReplyLine, type StoredReply, sealReply, type Transmission } from './pd-reply-line.ts';
import { PeripheralSecurity } from './pd-security.ts';
import { completeOptions, type PeripheralOptions, securityFunction } from './peripheral-options.ts';

interface Session {
  sequence: number;
  command: Uint8Array;
  reply: StoredReply;
}

const supportedBaudRates = new Set([9600, 19_200, 38_400, 57_600, 115_200, 230_400]);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** An OSDP reader on its own: bytes of a command in, bytes of its reply out; it has no clock but `now`. */
export class SimulatedPeripheral {
  readonly device: PeripheralDevice;
  readonly faults: FaultPlan;
  /** What the panel did against the standard; a test of a good panel ends with it empty. */
  readonly violations: string[] = [];
  /** Commands that were carried out, without repeats. */
  readonly commands: { id: number; sequence: number; secure: boolean; data: Uint8Array }[] = [];
  /** Keys that were set, oldest first. */
  readonly keysets: Uint8Array[] = [];
  address: number;
  baudRate: number;
  powered = true;
  readonly #options: PeripheralOptions;
  readonly #line: ReplyLine;
  readonly #security: PeripheralSecurity;
  #session: Session | null = null;
  #lastHeardMs: number;
  /** What COMSET asked for: true once its reply is made. */
  #move: { address: number; baudRate: number } | null = null;

  constructor(given: Partial<PeripheralOptions> = {}) {
    const options = completeOptions(given);
    this.#options = options;
    this.address = options.address;
    this.baudRate = options.baudRate;
    this.#lastHeardMs = options.now();
    const capabilities = options.secureCapable ? options.capabilities : withoutSecurity(options.capabilities);
    this.device = new PeripheralDevice({ ...options, capabilities });
    this.faults = new FaultPlan(seededRandom(options.seed));
    this.#security = new PeripheralSecurity(options, this.faults, (violation) => this.#accuse(violation));
    this.#line = new ReplyLine(this.faults, options.leadingMark);
  }

  get ownKey(): Uint8Array | null {
    return this.#security.ownKey;
  }

  get secure(): boolean {
    return this.#security.established !== null;
  }

  /** Another key, as after a change of the reader; null is the factory's state. */
  useKey(key: Uint8Array | null): void {
    this.#security.ownKey = key;
    this.#endSession();
  }

  /** `format` 0 is unspecified bits, 1 Wiegand with parity. */
  presentCard(bits: string, format = 0, reader = 0): void {
    if (this.powered) this.device.card(bits, format, reader);
  }

  /** All in one KEYPAD reply unless `perReply` says how many. */
  pressKeys(keys: string, perReply = keys.length, reader = 0): void {
    if (!this.powered) return;
    const codes = keysToBytes(keys, this.#options.keyCoding);
    for (let at = 0; at < codes.length; at += perReply)
      this.device.keys(codes.slice(at, at + perReply), reader);
  }

  tamper(on: boolean): void {
    this.device.tamper(on);
  }

  powerFault(on: boolean): void {
    this.device.powerFault(on);
  }

  /** Deaf and dumb until `revive`, which starts it as power does. */
  die(): void {
    this.powered = false;
  }

  revive(): void {
    this.powered = true;
    this.#endSession();
    this.device.powerCycle();
  }

  /** Forgets session, events, LEDs and outputs; keeps keys, address and rate. */
  powerCycle(): void {
    this.die();
    this.revive();
  }

  /** What goes out for one complete command, faults and all; null for silence. Delays are in `respond`. */
  receive(bytes: Uint8Array): Uint8Array | null {
    const sent = this.respond(bytes);
    return sent.length === 0 ? null : Uint8Array.from(sent.flatMap((one) => [...one.bytes]));
  }

  respond(bytes: Uint8Array): Transmission[] {
    const decoded = decodeFrame(bytes);
    if (!this.powered || decoded.kind === 'noise') return [];
    const head = decoded.kind === 'frame' ? decoded.frame : decoded.head;
    if (head.isReply || (head.address !== this.address && head.address !== broadcast)) return [];
    const { knowsChecks, onBadCheck } = this.#options;
    if (knowsChecks !== 'both' && head.check !== knowsChecks) return [];
    const reply = this.#replyHead(head);
    if (decoded.kind === 'broken') {
      if (onBadCheck === 'silent') return [];
      if (onBadCheck === 'endsSession') this.#endSession();
      return this.#line.send(sealReply(reply, nak(nakCodes[decoded.problem]), null), 0);
    }
    const { frame, covered } = decoded;
    if (this.faults.take('deaf', frame.id)) return [];
    const nowMs = this.#options.now();
    if (nowMs - this.#lastHeardMs > this.#options.sessionMs) this.#endSession();
    this.#lastHeardMs = nowMs;
    if (this.faults.take('busy', frame.id)) {
      return this.#line.send(
        sealReply({ ...reply, sequence: 0 }, { id: replyIds.busy, data: [] }, null),
        frame.id,
      );
    }

    if (frame.sequence === 0) this.#endSession();
    const session = this.#session;
    if (session?.sequence === frame.sequence) {
      if (hex(session.command) !== hex(bytes)) this.#accuse('the same number with other bytes');
      return this.#line.send(session.reply, frame.id);
    }
    const expected = session === null ? 0 : (session.sequence % 3) + 1;
    if (frame.sequence !== expected) {
      if (session !== null) this.#accuse(`number ${frame.sequence} where ${expected} is next`);
      return this.#line.send(sealReply(reply, nak(nakCodes.sequence), null), frame.id);
    }
    const stored = this.#carryOut(frame, covered, reply);
    this.#session = { sequence: frame.sequence, command: bytes, reply: stored };
    this.#line.remember(stored);
    if (this.#move !== null) {
      Object.assign(this, this.#move);
      this.#move = null;
      this.#endSession();
    }
    return this.#line.send(stored, frame.id);
  }

  #replyHead(head: FrameHead): FrameHead {
    const isOwn = head.address !== broadcast || this.#options.broadcastReply === 'own';
    return {
      address: isOwn ? this.address : broadcast,
      isReply: true,
      sequence: head.sequence,
      check: head.check,
    };
  }

  #endSession(): void {
    this.#session = null;
    this.#security.close();
  }

  #accuse(violation: string): void {
    this.violations.push(violation);
    this.#options.report({ violation });
  }

  /** Takes the command out of its channel, does it, and puts the reply into the channel. */
  #carryOut(frame: Frame, covered: Uint8Array, head: FrameHead): StoredReply {
    if (frame.id === commandIds.chlng) return this.#security.challenge(frame, head);
    if (frame.id === commandIds.scrypt) return this.#security.serverCryptogram(frame, head);
    const data = this.#security.open(frame, covered);
    if (data === null) return sealReply(head, nak(nakCodes.securityConditions), null);
    const channel = this.#security.established;
    const reply = this.#execute(frame, data, channel !== null);
    const isPlain =
      (reply.id === replyIds.nak && this.#options.plainNaks) ||
      (frame.id === commandIds.keyset && this.#options.plainKeysetAck);
    return sealReply(head, reply, isPlain ? null : channel);
  }

  #execute(frame: Frame, data: Uint8Array, secure: boolean): Reply {
    const check = checkData(frame.id, data);
    if (check !== 'good') {
      this.#accuse(`command ${frame.id.toString(16)} with ${data.length} bytes: ${check}`);
      return nak(check === 'unknown' ? nakCodes.unknown : nakCodes.length);
    }
    this.commands.push({ id: frame.id, sequence: frame.sequence, secure, data });
    this.#options.report({ command: { id: frame.id, sequence: frame.sequence, secure, data: hex(data) } });
    if (frame.id === commandIds.keyset) return this.#keyset(data, secure);
    if (frame.id === commandIds.comset) return this.#comset(data);
    const reply = this.device.execute(frame.id, data, secure || this.#security.needsChannelFor === 'nothing');
    if (frame.id !== commandIds.cap || this.faults.take('hideSecurity', frame.id) === null) return reply;
    return { ...reply, data: withoutSecurity(this.#options.capabilities).flat() };
  }

  #keyset(data: Uint8Array, secure: boolean): Reply {
    if (!secure) {
      this.#accuse('a key in the clear');
      return nak(nakCodes.securityConditions);
    }
    if (data[0] !== 1 || data[1] !== 16) return nak(nakCodes.length);
    const key = data.slice(2);
    this.#security.ownKey = key;
    this.keysets.push(key);
    this.#options.report({ keyset: { key: hex(key) } });
    return ack;
  }

  /** Answered with what will be true; what it cannot do stays as it is. */
  #comset(data: Uint8Array): Reply {
    const wanted = { address: data[0]!, baudRate: u32(data, 1) };
    const address = wanted.address < broadcast ? wanted.address : this.address;
    const baudRate = supportedBaudRates.has(wanted.baudRate) ? wanted.baudRate : this.baudRate;
    this.#move = { address, baudRate };
    this.#options.report({ comset: { address, baudRate } });
    return { id: replyIds.com, data: [address, ...u32Bytes(baudRate)] };
  }
}

const withoutSecurity = (
  capabilities: PeripheralOptions['capabilities'],
): PeripheralOptions['capabilities'] =>
  capabilities.map((one) => (one[0] === securityFunction ? [securityFunction, 0, 0] : one));
