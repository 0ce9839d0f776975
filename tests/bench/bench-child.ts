import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';

/** A process of the bench's own, which is asked by message and answers each with one. */
export class BenchChild {
  readonly #child: ChildProcess;

  constructor(file: string, setup: unknown, nodeFlags: readonly string[] = []) {
    this.#child = fork(path.join(import.meta.dirname, file), [JSON.stringify(setup)], {
      execArgv: [...process.execArgv, ...nodeFlags],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async ask<T>(message: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const onExit = (): void => reject(new Error(`the bench's process ended before it answered "${message}"`));
    this.#child.once('exit', onExit);
    this.#child.once('message', (answer) => resolve(answer as T));
    this.#child.send(message);
    const answer = await promise;
    this.#child.off('exit', onExit);
    return answer;
  }

  stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    const ended = new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve());
    });
    this.#child.kill('SIGKILL');
    return ended;
  }
}
