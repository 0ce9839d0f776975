import type { Reader } from '#hub/domains/access/readers/schema.ts';
import { api } from '../../../live/api.ts';
import type { LiveMessage } from '../../../live/message.ts';
import { keepLoaded } from '../../../state/loaded.svelte.ts';
import { attempt, toasts } from '../../../state/toasts.svelte.ts';

/** The readers of one door. */
export interface ReaderGroup {
  readonly portalId: string;
  readonly portalName: string;
  readonly bridgeName: string;
  readonly connected: boolean;
  readonly readers: readonly Reader[];
}

/** Readers grouped by door, kept up to date. Create it during component initialization. */
export class Readers {
  readonly #found = keepLoaded<readonly Reader[]>(
    [],
    async () => (await api('get', '/api/access-control/readers')).items,
    { on: ['portal.changed', 'bridge.changed'], apply: (messages) => this.#applyStates(messages) },
  );
  readonly groups = $derived(groupByDoor(this.list));

  get list(): readonly Reader[] {
    return this.#found.value;
  }
  get loaded(): boolean {
    return this.#found.loaded;
  }

  #applyStates(messages: readonly LiveMessage[]): void {
    for (const { topic, data } of messages) {
      if (topic !== 'reader.state') continue;
      const { readerId, connected, live } = data;
      this.#found.value = this.list.map((reader) =>
        reader.id === readerId ? { ...reader, connected, live } : reader,
      );
    }
  }

  /** @throws ApiProblem when it is refused: the dialog shows it */
  async pair({ id }: Reader, seconds: number): Promise<void> {
    const body = { seconds };
    await api('post', '/api/access-control/readers/{id}/pair', { params: { path: { id } }, body });
  }

  cancelPairing({ id }: Reader): Promise<boolean> {
    return this.#order(id, 'cancel-pairing');
  }

  test({ id }: Reader): Promise<boolean> {
    return this.#order(id, 'test');
  }

  /** Switches long enough to see the attached device react. */
  switchOutput({ id }: Reader, output: number): Promise<boolean> {
    return attempt(async () => {
      const { sentence } = await api('post', '/api/access-control/readers/{id}/switch-output', {
        params: { path: { id } },
        body: { output, seconds: 3 },
      });
      toasts.done(sentence, undefined, id);
    });
  }

  #order(id: string, what: 'cancel-pairing' | 'test'): Promise<boolean> {
    return attempt(async () => {
      const path = { id };
      const { sentence } = await api('post', `/api/access-control/readers/{id}/${what}`, {
        params: { path },
      });
      toasts.done(sentence, undefined, id);
    });
  }

  /** Unlocks the door for one second, to hear the relay click. */
  pulseLock({ portalId }: ReaderGroup): Promise<boolean> {
    return attempt(async () => {
      const { sentence } = await api('post', '/api/access-control/portals/{id}/unlock', {
        params: { path: { id: portalId } },
        body: { seconds: 1, reason: 'Relay test' },
      });
      toasts.done(sentence, undefined, portalId);
    });
  }
}

function groupByDoor(readers: readonly Reader[]): readonly ReaderGroup[] {
  const byDoor = Map.groupBy(readers, ({ portalId }) => portalId);
  return [...byDoor.values()].flatMap((ofDoor) => {
    const [first] = ofDoor;
    if (first === undefined) return [];
    const { portalId, portalName, bridgeName, connected } = first;
    return [{ portalId, portalName, bridgeName, connected, readers: ofDoor }];
  });
}
