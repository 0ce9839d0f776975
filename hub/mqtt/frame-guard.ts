import { Duplex } from 'node:stream';

export interface FrameBounds {
  /** Bytes of one MQTT packet, before the client has proved who it is and after. */
  readonly firstPacketBytes: number;
  readonly packetBytes: number;
  /** Packets a second in the long run, and at once. A faster client is not read until its time has come. */
  readonly packetsPerSecond: number;
  readonly burstPackets: number;
  /** Bytes that may wait to be sent before whoever writes is asked to wait. */
  readonly unsentBytes: number;
}

/** Counts the bytes of each packet still to come; MQTT's length has at most four bytes of seven bits. */
interface FrameState {
  place: 'header' | 'length' | 'body';
  length: number;
  shift: number;
  left: number;
}

/**
 * Stands between a socket and the broker, which would gather a packet of 256 MiB from anybody. Cuts the connection when a
 * packet announces more than it may have, and slows down a client that sends too many.
 */
export class FrameGuard extends Duplex {
  readonly #socket: Duplex;
  readonly #bounds: FrameBounds;
  readonly #frame: FrameState = { place: 'header', length: 0, shift: 0, left: 0 };
  #maxBytes: number;
  #tokens: number;
  #refilledAt = performance.now();
  #throttle: NodeJS.Timeout | null = null;
  #throttled = 0;

  constructor(socket: Duplex, bounds: FrameBounds) {
    super({ readableHighWaterMark: 16_384, writableHighWaterMark: bounds.unsentBytes });
    this.#socket = socket;
    this.#bounds = bounds;
    this.#maxBytes = bounds.firstPacketBytes;
    this.#tokens = bounds.burstPackets;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.pause();
  }

  /** Number of times that reading was paused because it sent too fast. */
  get throttled(): number {
    return this.#throttled;
  }

  /** The client has proved who it is: larger packets from here on. */
  admit(): void {
    this.#maxBytes = this.#bounds.packetBytes;
  }

  override _read(): void {
    if (this.#throttle === null) this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk))), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#throttle !== null) clearTimeout(this.#throttle);
    this.#throttle = null;
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    const problem = this.#scan(chunk);
    if (problem !== null) {
      this.destroy(new Error(problem));
      return;
    }
    if (!this.push(chunk)) this.#socket.pause();
    this.#slowDown();
  }

  /** Follows the packets' lengths; returns what is wrong with one. */
  #scan(chunk: Buffer): string | null {
    const frame = this.#frame;
    let index = 0;
    while (index < chunk.length) {
      if (frame.place === 'body') {
        const taken = Math.min(frame.left, chunk.length - index);
        frame.left -= taken;
        index += taken;
        if (frame.left === 0) frame.place = 'header';
        continue;
      }
      const byte = chunk[index] ?? 0;
      index += 1;
      if (frame.place === 'header') {
        this.#tokens -= 1;
        Object.assign(frame, { place: 'length', length: 0, shift: 0 });
        continue;
      }
      frame.length += (byte & 0x7f) * 2 ** frame.shift;
      frame.shift += 7;
      if (frame.length > this.#maxBytes) return `a packet of more than ${this.#maxBytes} bytes`;
      if (byte >= 0x80 && frame.shift >= 28) return 'no MQTT';
      if (byte >= 0x80) continue;
      frame.left = frame.length;
      frame.place = frame.length === 0 ? 'header' : 'body';
    }
    return null;
  }

  #slowDown(): void {
    const { packetsPerSecond, burstPackets } = this.#bounds;
    const now = performance.now();
    const earned = ((now - this.#refilledAt) * packetsPerSecond) / 1000;
    this.#tokens = Math.min(burstPackets, this.#tokens + earned);
    this.#refilledAt = now;
    if (this.#tokens >= 0 || this.#throttle !== null) return;
    this.#throttled += 1;
    this.#socket.pause();
    this.#throttle = setTimeout(
      () => {
        this.#throttle = null;
        this.#socket.resume();
      },
      (-this.#tokens * 1000) / packetsPerSecond,
    );
    this.#throttle.unref();
  }
}
