import { osdpBaudRates } from '../baud-rates.ts';
import type { Command } from '../wire/commands.ts';
import type { Reply } from '../wire/replies.ts';

export interface BusSettings {
  readonly address: number;
  readonly baudRate: number;
}

/** The address and speed of a reader. During a move (COMSET) it is at the old or the new ones until it answers. */
export class BusAddress {
  #current: BusSettings;
  #requested: BusSettings | null = null;
  #move: { readonly from: BusSettings; readonly to: BusSettings } | null = null;

  constructor(settings: BusSettings) {
    this.#current = settings;
  }

  get current(): BusSettings {
    return this.#current;
  }
  get isMoveRequested(): boolean {
    return this.#requested !== null;
  }

  requestMove(settings: BusSettings): void {
    this.#requested = settings;
  }
  /** The session ended before COMSET was sent. */
  dropRequest(): void {
    this.#requested = null;
  }

  /** Returns COMSET, or null if no move is requested. From here on its reply may be lost. */
  startMove(): Command | null {
    const to = this.#requested;
    if (to === null) return null;
    this.#requested = null;
    this.#move = { from: this.#current, to };
    return { kind: 'communication', ...to };
  }
  moveRefused(): void {
    this.#move = null;
  }

  /** The reader's reply says where it will be, which is not always what was requested. */
  moveAccepted(reply: Reply & { readonly kind: 'communication' }): void {
    if (this.#move === null) return;
    const baudRate = osdpBaudRates.find((rate) => rate === reply.baudRate) ?? this.#move.to.baudRate;
    this.#current = { address: reply.address, baudRate };
    this.#move = { from: this.#move.from, to: this.#current };
  }

  /** Switches between the old and the new settings after a time-out. */
  tryOther(): void {
    if (this.#move !== null)
      this.#current = this.#current === this.#move.from ? this.#move.to : this.#move.from;
  }

  /** A session began here. Returns the new settings if the reader has moved, else null. */
  confirm(): BusSettings | null {
    const moved = this.#move !== null && this.#current === this.#move.to ? this.#current : null;
    this.#move = null;
    return moved;
  }
}
