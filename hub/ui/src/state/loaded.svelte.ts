import { Latest } from '../live/latest.ts';
import { live } from '../live/live.svelte.ts';
import type { LiveMessage, LiveTopic } from '../live/message.ts';
import { toasts } from './toasts.svelte.ts';

type OnProblem = (problem: unknown) => void;

/** Shows a problem as a toast unless the hub is offline, which the frame reports anyway. */
export const showUnlessOffline: OnProblem = (problem) => {
  if (live.state !== 'offline') toasts.problem(problem);
};

/** A value loaded from the hub; responses to outdated requests are discarded. */
export class Loaded<T> {
  value: T;
  /** False until the first response. */
  loaded = $state(false);
  readonly #fetch: () => Promise<T>;
  readonly #onProblem: OnProblem;
  readonly #latest = new Latest();

  constructor(
    initial: T,
    fetch: () => Promise<T>,
    onProblem: OnProblem = (problem) => toasts.problem(problem),
  ) {
    this.value = $state.raw(initial);
    this.#fetch = fetch;
    this.#onProblem = onProblem;
  }

  /** Resolves once the value is at least as new as this call. Reports problems instead of throwing them. */
  readonly load = async (): Promise<void> => {
    try {
      await this.#latest.load(this.#fetch, (value) => {
        this.value = value;
        this.loaded = true;
      });
    } catch (problem) {
      this.#onProblem(problem);
    }
  };
}

export interface Refresh {
  /** Messages that make the value stale, by topic or predicate. A gap in the stream always does. */
  readonly on?: readonly LiveTopic[] | ((message: LiveMessage) => boolean);
  /** Applies messages that carry the change themselves; skipped if any of them makes the value stale. */
  readonly apply?: (messages: readonly LiveMessage[]) => void;
  /** Polling interval while the page is visible, for changes that are not announced. */
  readonly everyMs?: number;
}

/** Calls `load` whenever the value becomes stale, until the calling component unmounts. */
export function reloadWhenStale(load: () => Promise<void>, { on = [], apply, everyMs }: Refresh): void {
  const stale = new Set<LiveTopic>(typeof on === 'function' ? [] : on);
  const isStale = typeof on === 'function' ? on : ({ topic }: LiveMessage): boolean => stale.has(topic);
  $effect(() =>
    live.listen((messages) => {
      if (messages.some((message) => message.topic === 'reset' || isStale(message))) void load();
      else apply?.(messages);
    }),
  );
  if (everyMs !== undefined) reloadEvery(load, everyMs);
}

/** Calls `load` at an interval while the page is visible, until the calling component unmounts. */
export function reloadEvery(load: () => Promise<void>, everyMs: number): void {
  $effect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, everyMs);
    return () => clearInterval(timer);
  });
}

/** Loads a value and keeps it up to date until the calling component unmounts. */
export function keepLoaded<T>(
  initial: T,
  fetch: () => Promise<T>,
  { onProblem, ...refresh }: Refresh & { readonly onProblem?: OnProblem } = {},
): Loaded<T> {
  const loaded = new Loaded(initial, fetch, onProblem);
  void loaded.load();
  reloadWhenStale(loaded.load, refresh);
  return loaded;
}

/** Calls `load` immediately and, debounced, whenever the state that `query` reads changes. */
export function loadWhileTyping(query: () => unknown, load: () => Promise<unknown>): void {
  let waitMs = 0;
  $effect(() => {
    query();
    const timer = setTimeout(() => void load(), waitMs);
    waitMs = 150;
    return () => clearTimeout(timer);
  });
}
