import type { Logger } from './platform/log.ts';

/** Something that is done again and again while the hub runs. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/**
 * Runs each chore now and then every `everyMs`, never twice at once. One that fails is logged and tried at its next
 * turn. The returned function stops them and waits for those that are running.
 */
export function runChores(chores: readonly Chore[], log: Logger): () => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const turn = (chore: Chore): void => {
    if (running.has(chore.name)) return;
    const run = chore
      .run()
      .catch((cause: unknown) => log.error({ err: cause, chore: chore.name }, 'chore failed'))
      .finally(() => running.delete(chore.name));
    running.set(chore.name, run);
  };
  const timers = chores.map((chore) => {
    turn(chore);
    return setInterval(() => turn(chore), chore.everyMs);
  });
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(running.values());
  };
}
