/**
 * Loads of the same thing: an answer that a later question has overtaken is dropped, and whoever waits for it waits for
 * the later one. So after `await`, what is shown is at least as new as the question.
 */
export class Latest {
  #newest = 0;
  #running: Promise<void> = Promise.resolve();

  load<T>(fetch: () => Promise<T>, take: (value: T) => void): Promise<void> {
    this.#newest += 1;
    const mine = this.#newest;
    const run = async (): Promise<void> => {
      const value = await fetch();
      if (mine === this.#newest) take(value);
      else await this.#running;
    };
    this.#running = run();
    return this.#running;
  }
}
