import { Latest } from '../live/latest.ts';
import { live } from '../live/live.svelte.ts';
import type { LiveMessage, LiveTopic } from '../live/message.ts';
import { toasts } from './toasts.svelte.ts';

type OnProblem = (problem: unknown) => void;

/** Shows a problem unless the hub cannot be reached: the frame says so above every page. */
export const showUnlessOffline: OnProblem = (problem) => {
  if (live.state !== 'offline') toasts.problem(problem);
};

/** A value that the hub answers. A late answer never replaces that of a later question. */
export class Loaded<T> {
  value: T;
  /** False until the first answer. */
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

  /** Resolves when the value is at least as new as the call; a refusal is shown, not thrown. */
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
  /** Announcements that make the value stale: their topics, or a test of each. A gap in the stream always does. */
  readonly on?: readonly LiveTopic[] | ((message: LiveMessage) => boolean);
  /** Takes announcements that carry the change themselves; not called when one of them makes the value stale. */
  readonly apply?: (messages: readonly LiveMessage[]) => void;
  /** Loads again this often while the page is visible: for what nobody announces. */
  readonly everyMs?: number;
}

/** Calls `load` whenever the value is stale, for as long as the calling component is shown. */
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

/** Calls `load` at an interval while the page is visible, for as long as the calling component is shown. */
export function reloadEvery(load: () => Promise<void>, everyMs: number): void {
  $effect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, everyMs);
    return () => clearInterval(timer);
  });
}

/** Loads a value and keeps it up to date for as long as the calling component is shown. */
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

/** Calls `load` at once, and again when what `query` reads has been left alone for a moment. */
export function loadWhileTyping(query: () => unknown, load: () => Promise<unknown>): void {
  let waitMs = 0;
  $effect(() => {
    query();
    const timer = setTimeout(() => void load(), waitMs);
    waitMs = 150;
    return () => clearTimeout(timer);
  });
}
