/** The most cards that are told apart while they lie there together; more than one is rare. */
const maxCards = 8;

export interface CardPresence {
  /** Notes that the card is there. True if it has just come: it was not seen for longer than `awayMs`. */
  arrives(card: string, nowMs: number): boolean;
}

/**
 * For readers that repeat a card's number while it lies there: one read per presentation. Several cards are kept
 * apart, so that two of them lying there do not take turns in arriving.
 */
export function cardPresence(awayMs: number): CardPresence {
  /** In the order in which they were last seen. */
  const seenAtMs = new Map<string, number>();
  return {
    arrives(card, nowMs) {
      const before = seenAtMs.get(card);
      seenAtMs.delete(card);
      seenAtMs.set(card, nowMs);
      if (seenAtMs.size > maxCards)
        for (const oldest of seenAtMs.keys()) {
          seenAtMs.delete(oldest);
          break;
        }
      return before === undefined || nowMs - before > awayMs;
    },
  };
}
