import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import type { Chance } from './chance.ts';

/** An event before it has its place in the journal. */
export interface Happening
  extends Omit<BridgeEvent, 'seq' | 'bootId' | 'monotonicMs' | 'clockTrust' | 'followsSeq'> {
  readonly clockTrust?: BridgeEvent['clockTrust'];
  /** The one that this one follows, which is earlier. */
  readonly follows?: Happening;
}

/** The journal of the demo's bridge: numbers what happens in the order of time, as the bridge would have. */
export class DemoJournal {
  readonly journalId: string;
  readonly #chance: Chance;
  #bootId: string;
  #bootedMs: number;
  #lastSeq = 0;
  readonly #seqs = new WeakMap<Happening, number>();
  #later: Happening[] = [];

  constructor(chance: Chance, startMs: number) {
    this.#chance = chance;
    this.journalId = chance.uuid();
    this.#bootId = chance.uuid();
    this.#bootedMs = startMs;
  }

  get bootId(): string {
    return this.#bootId;
  }
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** The entries of what happens before `untilMs`; the rest is kept for the next call. */
  write(happenings: readonly Happening[], untilMs: number): BridgeEvent[] {
    const all = [...this.#later, ...happenings].sort((left, right) => left.wallMs - right.wallMs);
    const isLater = (happening: Happening): boolean => happening.wallMs >= untilMs;
    this.#later = all.filter(isLater);
    return all
      .filter((happening) => !isLater(happening))
      .map((happening) => {
        const { follows, clockTrust = 'ntp', ...event } = happening;
        if (event.kind === 'boot') {
          this.#bootId = this.#chance.uuid();
          this.#bootedMs = event.wallMs - 4000;
        }
        this.#lastSeq += 1;
        this.#seqs.set(happening, this.#lastSeq);
        const followsSeq = follows === undefined ? undefined : this.#seqs.get(follows);
        return {
          ...event,
          seq: this.#lastSeq,
          bootId: this.#bootId,
          monotonicMs: Math.max(0, event.wallMs - this.#bootedMs),
          clockTrust,
          ...(followsSeq === undefined ? {} : { followsSeq }),
        };
      });
  }
}
