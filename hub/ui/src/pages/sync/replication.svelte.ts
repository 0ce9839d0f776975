import { api } from '../../live/api.ts';
import { Latest } from '../../live/latest.ts';
import { live } from '../../live/live.svelte.ts';
import type { LiveMessage } from '../../live/message.ts';
import { attempt, toasts } from '../../state/toasts.svelte.ts';
import {
  type Conflict,
  type DeadLetter,
  fetchConflicts,
  fetchDeadLetters,
  fetchSyncStatus,
  type SyncStatus,
} from './sync-api.ts';

type Page<T> = { readonly items: readonly T[]; readonly nextCursor: string | null };

const none = { items: [], nextCursor: null };

/** Replication as its page shows it, kept up to date by what the hub announces. */
export class Replication {
  status = $state.raw<SyncStatus | null>(null);
  conflicts = $state.raw<Page<Conflict>>(none);
  letters = $state.raw<Page<DeadLetter>>(none);
  readonly #mayManage: boolean;
  readonly #latest = new Latest();
  readonly #latestLists = new Latest();

  constructor(mayManage: boolean) {
    this.#mayManage = mayManage;
  }

  /** Figures change all the time: the lists are loaded again only when their numbers did. */
  async refresh(): Promise<void> {
    try {
      await this.#latest.load(fetchSyncStatus, (status) => this.#take(status));
    } catch (problem) {
      // Whether the hub can be reached is said above every page.
      if (live.state !== 'offline') toasts.problem(problem);
    }
  }

  async load(): Promise<void> {
    await Promise.all([this.refresh(), this.#loadLists()]);
  }

  listen(messages: readonly LiveMessage[]): void {
    if (messages.some(({ topic }) => topic === 'reset' || topic === 'sync.changed')) void this.load();
  }

  #take(status: SyncStatus): void {
    const before = this.status;
    this.status = status;
    const areOthers =
      before !== null && (before.conflicts !== status.conflicts || before.deadLetters !== status.deadLetters);
    if (areOthers) void this.#loadLists();
  }

  async #loadLists(): Promise<void> {
    if (!this.#mayManage) return;
    await attempt(() =>
      this.#latestLists.load(
        () => Promise.all([fetchConflicts(null), fetchDeadLetters(null)]),
        ([conflicts, letters]) => {
          this.conflicts = conflicts;
          this.letters = letters;
        },
      ),
    );
  }

  async moreConflicts(): Promise<void> {
    await attempt(async () => {
      const { items, nextCursor } = await fetchConflicts(this.conflicts.nextCursor);
      this.conflicts = { items: [...this.conflicts.items, ...items], nextCursor };
    });
  }

  async moreLetters(): Promise<void> {
    await attempt(async () => {
      const { items, nextCursor } = await fetchDeadLetters(this.letters.nextCursor);
      this.letters = { items: [...this.letters.items, ...items], nextCursor };
    });
  }

  /** @throws ApiProblem when it is refused: the form shows it at its fields */
  async link(body: { url: string; code: string; ca?: string }): Promise<void> {
    this.status = await api('post', '/api/sync/link', { body });
    toasts.done(`This hub belongs to ${this.status.link?.siteName ?? 'the centre'} now.`);
    await this.load();
  }

  /** @throws ApiProblem when it is refused: the dialog shows it */
  async unlink(): Promise<void> {
    this.status = await api('post', '/api/sync/unlink');
    toasts.done('This hub is on its own again.');
  }

  /** @throws ApiProblem when it is refused: the dialog shows it */
  async goOn(): Promise<void> {
    this.status = await api('post', '/api/sync/continue');
    toasts.done('It goes on here.');
  }

  async runNow(): Promise<void> {
    await attempt(async () => {
      this.status = await api('post', '/api/sync/run');
    });
  }

  async settle({ id, subject, label, field }: Conflict, choose: 'kept' | 'lost'): Promise<void> {
    await attempt(async () => {
      await api('post', '/api/sync/conflicts/{id}/settle', { params: { path: { id } }, body: { choose } });
      toasts.done(`${label ?? subject}, ${field}: ${choose === 'kept' ? 'kept as it is' : 'changed'}.`);
    });
    await this.load();
  }

  async close({ id, subject, label }: DeadLetter, how: 'retry' | 'dismiss'): Promise<void> {
    await attempt(async () => {
      await api('post', `/api/sync/dead-letters/{id}/${how}`, { params: { path: { id } } });
      toasts.done(`${label ?? subject} is ${how === 'retry' ? 'tried again' : 'dismissed'}.`);
    });
    await this.load();
  }
}
