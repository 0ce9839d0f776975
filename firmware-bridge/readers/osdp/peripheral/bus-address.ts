import { osdpBaudRates } from '../baud-rates.ts';
import type { Command, Reply } from '../wire/messages.ts';

export interface Place {
  readonly address: number;
  readonly baudRate: number;
}

/** Where a reader is found on the bus. While it is being moved (COMSET) it is at one of two places until it answers. */
export class Whereabouts {
  #at: Place;
  #wanted: Place | null = null;
  #move: { readonly from: Place; readonly to: Place } | null = null;

  constructor(place: Place) {
    this.#at = place;
  }

  get at(): Place {
    return this.#at;
  }
  get isMoveWanted(): boolean {
    return this.#wanted !== null;
  }

  want(place: Place): void {
    this.#wanted = place;
  }
  /** The session ended before COMSET was sent. */
  forgetWish(): void {
    this.#wanted = null;
  }

  /** COMSET, or null when no move is wanted. From here on the answer may be lost. */
  start(): Command | null {
    const to = this.#wanted;
    if (to === null) return null;
    this.#wanted = null;
    this.#move = { from: this.#at, to };
    return { kind: 'communication', ...to };
  }
  refused(): void {
    this.#move = null;
  }

  /** The reader says where it will be: not always where it was sent. */
  answered(reply: Reply & { readonly kind: 'communication' }): void {
    if (this.#move === null) return;
    const baudRate = osdpBaudRates.find((rate) => rate === reply.baudRate) ?? this.#move.to.baudRate;
    this.#at = { address: reply.address, baudRate };
    this.#move = { from: this.#move.from, to: this.#at };
  }

  /** It did not answer here: it may be at the other place. */
  lookElsewhere(): void {
    if (this.#move !== null) this.#at = this.#at === this.#move.from ? this.#move.to : this.#move.from;
  }

  /** It is in a session here. The new place when it has moved, else null. */
  found(): Place | null {
    const moved = this.#move !== null && this.#at === this.#move.to ? this.#at : null;
    this.#move = null;
    return moved;
  }
}
