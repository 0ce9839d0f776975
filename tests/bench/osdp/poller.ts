import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { PollerReport, PollerSetup } from './poller-process.ts';

/** The do-nothing poller's process, as the bench sees it. */
export class OsdpPoller {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (atNs: bigint) => void>();
  readonly #ready = Promise.withResolvers<void>();
  #cycles: readonly number[] = [];

  constructor(setup: PollerSetup) {
    this.#child = fork(path.join(import.meta.dirname, 'poller-process.ts'), [JSON.stringify(setup)]);
    this.#child.on('message', (report) => this.#take(report as PollerReport));
    this.#child.once('exit', () => this.#ready.reject(new Error('the poller ended')));
  }

  #take(report: PollerReport): void {
    if (report.kind === 'ready') this.#ready.resolve();
    else if (report.kind === 'cycles') this.#cycles = report.ms;
    else {
      this.#waiting.get(report.address)?.(BigInt(report.atNs));
      this.#waiting.delete(report.address);
    }
  }

  /** Every reader is in a session. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** When the reply of the next card at this reader is whole, monotonic ns. */
  nextCard(address: number): Promise<bigint> {
    return new Promise((resolve) => {
      this.#waiting.set(address, resolve);
    });
  }

  /** Ms of each turn round all readers since it was asked last. */
  async cycles(): Promise<readonly number[]> {
    const answer = once(this.#child, 'message');
    this.#child.send('cycles');
    await answer;
    return this.#cycles;
  }

  async stop(): Promise<void> {
    this.#ready.promise.catch(() => undefined);
    const ended = once(this.#child, 'exit');
    if (this.#child.kill('SIGKILL')) await ended;
  }
}
