/**
 * How to speak to a reader that does not answer: some are silent until they have been polled, and some know only one
 * of the two checks.
 */
const openings = [
  { withPoll: false, withOtherCheck: false },
  { withPoll: true, withOtherCheck: false },
  { withPoll: false, withOtherCheck: false },
  { withPoll: true, withOtherCheck: true },
] as const;
const withOtherCheck = 3;

/** The way in which a reader is spoken to at the beginning of a connection: the one that worked, or each in turn. */
export class Opening {
  readonly #crc: boolean;
  #index = 0;
  #misses = 0;
  #hasAnswered = false;
  /** The way before this one was tried right now, in vain. */
  #isFollowing = false;

  /** `crc`: the check of the configuration. */
  constructor(crc: boolean) {
    this.#crc = crc;
  }

  get withPoll(): boolean {
    return openings[this.#index]?.withPoll ?? false;
  }
  get crc(): boolean {
    return openings[this.#index]?.withOtherCheck === true ? !this.#crc : this.#crc;
  }

  /** It answers. True: it answered a poll, and nothing right before that. */
  found(): boolean {
    this.#hasAnswered = true;
    return this.#isFollowing && this.withPoll && this.crc === this.#crc;
  }

  /**
   * The reader did not answer, or not so that it makes sense; `answersCrc`: the check of what came, if anything.
   * True: the next way is to be tried at once. That is only so for a reader of which nothing is known, and only at
   * first: a dead one must not cost the others more than one time-out at a time.
   */
  miss(answersCrc: boolean | null): boolean {
    const isOtherCheck = answersCrc !== null && answersCrc !== this.crc && !this.withPoll;
    this.#isFollowing = !this.withPoll && !this.#hasAnswered && this.#misses < openings.length;
    this.#misses += 1;
    this.#index = isOtherCheck ? withOtherCheck : (this.#index + 1) % openings.length;
    return this.#isFollowing;
  }
}
