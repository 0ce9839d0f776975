/**
 * Serializes loads of one value: discards the response to an outdated request and makes its caller wait for the newer
 * one. After `await`, the value is therefore at least as new as the call.
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
