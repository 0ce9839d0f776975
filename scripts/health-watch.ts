import type { Service } from './service.ts';

export interface HealthWatchOptions {
  readonly service: Pick<Service, 'kill' | 'starts'>;
  /** Resolves when the service answers, whatever it answers; rejects when it does not. */
  readonly ask: () => Promise<unknown>;
  readonly say: (line: string) => void;
  /** The pause between questions; 10 s unless told. */
  readonly everyMs?: number;
  /** How long an answer may take; 10 s unless told. */
  readonly answerMs?: number;
  /** A process that has answered once is killed after so many questions in a row without an answer; 4 unless told. */
  readonly misses?: number;
  /** The same for one that has not answered yet, which may be migrating a large store; 60 unless told. */
  readonly startMisses?: number;
}

/** Watches a service that must answer, and kills it when it hangs: its supervisor starts it again. */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;
  #missed = 0;
  #hasAnswered = false;
  #watchedStart = 0;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#later();
  }

  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.everyMs ?? 10_000);
  }

  async #look(): Promise<void> {
    const { service, say, misses = 4, startMisses = 60 } = this.#options;
    if (service.starts !== this.#watchedStart) {
      this.#watchedStart = service.starts;
      this.#hasAnswered = false;
      this.#missed = 0;
    }
    if (await this.#answers()) {
      this.#hasAnswered = true;
      this.#missed = 0;
    } else this.#missed += 1;
    if (this.#isOver) return;
    if (this.#missed >= (this.#hasAnswered ? misses : startMisses)) {
      say('The hub does not answer any more: ending it, so that it starts again.');
      this.#missed = 0;
      service.kill();
    }
    this.#later();
  }

  async #answers(): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), this.#options.answerMs ?? 10_000);
    const answered = this.#options.ask().then(
      () => true,
      () => false,
    );
    const answers = await Promise.race([answered, late]);
    clearTimeout(timer);
    return answers;
  }
}
