import { openSync, readSync, writeSync } from 'node:fs';

// The line of the memory bench: two FIFOs between the panel's process and that of its readers. A command is written and what
// comes of it is read before anything else happens, so that virtual time passes in both processes alike.

export const readers = 8;
export const baudRate = 115_200;
export const keyOf = (address: number): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, index) => 1 + address * 16 + index);

/** `command`, `reply`: bytes that are on the line at a moment. `end`: no more replies to the command. `step`: see the readers. */
export const letterKinds = { command: 0, reply: 1, end: 2, step: 3 } as const;
type LetterKind = (typeof letterKinds)[keyof typeof letterKinds];

interface Letter {
  readonly kind: number;
  /** Virtual. */
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

const headBytes = 11;
const none = new Uint8Array();

export class Letters {
  readonly #from: number;
  readonly #to: number;
  readonly #head = new DataView(new ArrayBuffer(headBytes));

  private constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  /** Both sides open the FIFO of commands first: it is open when the other one opens it too. */
  static ofPanel(commands: string, replies: string): Letters {
    const to = openSync(commands, 'w');
    return new Letters(openSync(replies, 'r'), to);
  }
  static ofReaders(commands: string, replies: string): Letters {
    const from = openSync(commands, 'r');
    return new Letters(from, openSync(replies, 'w'));
  }

  send(kind: LetterKind, atMs: number, bytes: Uint8Array = none): void {
    const letter = new Uint8Array(headBytes + bytes.length);
    const head = new DataView(letter.buffer);
    head.setUint8(0, kind);
    head.setFloat64(1, atMs);
    head.setUint16(9, bytes.length);
    letter.set(bytes, headBytes);
    writeSync(this.#to, letter);
  }

  /** Waits for the next; null when the other side has ended. */
  receive(): Letter | null {
    if (!this.#fill(new Uint8Array(this.#head.buffer))) return null;
    const bytes = new Uint8Array(this.#head.getUint16(9));
    this.#fill(bytes);
    return { kind: this.#head.getUint8(0), atMs: this.#head.getFloat64(1), bytes };
  }

  #fill(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(this.#from, bytes, at, bytes.length - at, null);
      if (count === 0) return false;
      at += count;
    }
    return true;
  }
}
