import { api } from '../../live/api.ts';
import { Loaded, reloadEvery, reloadWhenStale, showUnlessOffline } from '../../state/loaded.svelte.ts';
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
interface Lists {
  readonly conflicts: Page<Conflict>;
  readonly letters: Page<DeadLetter>;
}
const none = { items: [], nextCursor: null };

/** Rates and queues change constantly; only state changes are announced. */
const refreshEveryMs = 5_000;

async function fetchLists(): Promise<Lists> {
  const [conflicts, letters] = await Promise.all([fetchConflicts(null), fetchDeadLetters(null)]);
  return { conflicts, letters };
}

/** Replication status, conflicts and dead letters, kept up to date. Create it during component initialization. */
export class Replication {
  readonly #mayManage: boolean;
  readonly #status = new Loaded<SyncStatus | null>(null, fetchSyncStatus, showUnlessOffline);
  readonly #lists = new Loaded<Lists>({ conflicts: none, letters: none }, fetchLists);

  constructor(mayManage: boolean) {
    this.#mayManage = mayManage;
    void this.#load();
    reloadWhenStale(() => this.#load(), { on: ['sync.changed'] });
    reloadEvery(() => this.#refresh(), refreshEveryMs);
  }

  get status(): SyncStatus | null {
    return this.#status.value;
  }
  get conflicts(): Page<Conflict> {
    return this.#lists.value.conflicts;
  }
  get letters(): Page<DeadLetter> {
    return this.#lists.value.letters;
  }

  /** Loads the status, and the lists if their counts have changed. */
  async #refresh(): Promise<void> {
    const before = this.status;
    await this.#status.load();
    const isOther = (count: 'conflicts' | 'deadLetters'): boolean =>
      before !== null && before[count] !== this.status?.[count];
    if (isOther('conflicts') || isOther('deadLetters')) void this.#loadLists();
  }

  async #loadLists(): Promise<void> {
    if (this.#mayManage) await this.#lists.load();
  }

  async #load(): Promise<void> {
    await Promise.all([this.#refresh(), this.#loadLists()]);
  }

  async moreConflicts(): Promise<void> {
    await attempt(async () => {
      const { items, nextCursor } = await fetchConflicts(this.conflicts.nextCursor);
      const conflicts = { items: [...this.conflicts.items, ...items], nextCursor };
      this.#lists.value = { ...this.#lists.value, conflicts };
    });
  }

  async moreLetters(): Promise<void> {
    await attempt(async () => {
      const { items, nextCursor } = await fetchDeadLetters(this.letters.nextCursor);
      const letters = { items: [...this.letters.items, ...items], nextCursor };
      this.#lists.value = { ...this.#lists.value, letters };
    });
  }

  /** @throws ApiProblem when it is refused: the form shows it at its fields */
  async link(body: { url: string; code: string; ca?: string }): Promise<void> {
    const status = await api('post', '/api/sync/link', { body });
    this.#status.value = status;
    toasts.done(`This hub belongs to ${status.link?.siteName ?? 'the centre'} now.`);
    await this.#load();
  }

  /** @throws ApiProblem when it is refused: the dialog shows it */
  async unlink(): Promise<void> {
    this.#status.value = await api('post', '/api/sync/unlink');
    toasts.done('This hub is on its own again.');
  }

  /** @throws ApiProblem when it is refused: the dialog shows it */
  async continueHere(): Promise<void> {
    this.#status.value = await api('post', '/api/sync/continue');
    toasts.done('It goes on here.');
  }

  async runNow(): Promise<void> {
    await attempt(async () => {
      this.#status.value = await api('post', '/api/sync/run');
    });
  }

  async settle({ id, subject, label, field }: Conflict, choose: 'kept' | 'lost'): Promise<void> {
    await attempt(async () => {
      await api('post', '/api/sync/conflicts/{id}/settle', { params: { path: { id } }, body: { choose } });
      toasts.done(`${label ?? subject}, ${field}: ${choose === 'kept' ? 'kept as it is' : 'changed'}.`);
    });
    await this.#load();
  }

  async close({ id, subject, label }: DeadLetter, how: 'retry' | 'dismiss'): Promise<void> {
    await attempt(async () => {
      await api('post', `/api/sync/dead-letters/{id}/${how}`, { params: { path: { id } } });
      toasts.done(`${label ?? subject} is ${how === 'retry' ? 'tried again' : 'dismissed'}.`);
    });
    await this.#load();
  }
}
