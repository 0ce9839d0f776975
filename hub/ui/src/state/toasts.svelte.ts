import { ApiProblem, onUnreadableRows } from '../live/api.ts';

export type Toast = { readonly id: number; readonly about?: string | undefined } & (
  | { readonly tone: 'good'; readonly text: string; readonly undo?: (() => void) | undefined }
  | { readonly tone: 'bad'; readonly problem: unknown; readonly undo?: undefined }
);
type Shown = Toast extends infer T ? (T extends Toast ? Omit<T, 'id'> : never) : never;

const doneForMs = 8000;
const undoForMs = 15_000;
const problemForMs = 20_000;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #nextId = 1;

  #show(toast: Shown, forMs: number): void {
    const id = this.#nextId;
    this.#nextId += 1;
    const others = this.list.filter(({ about }) => about === undefined || about !== toast.about);
    this.list = [...others.slice(-2), { ...toast, id }];
    setTimeout(() => this.dismiss(id), forMs);
  }

  /** @param about subject; a later toast on the same subject replaces this one and its Undo */
  done(text: string, undo?: () => void, about?: string): void {
    this.#show({ tone: 'good', text, undo, about }, undo === undefined ? doneForMs : undoForMs);
  }

  problem(problem: unknown): void {
    this.#show({ tone: 'bad', problem }, problemForMs);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();

onUnreadableRows((count) =>
  toasts.problem(
    new ApiProblem(200, {
      code: 'lists.unreadable',
      title:
        count === 1
          ? 'One entry of this list cannot be shown.'
          : `${count} entries of this list cannot be shown.`,
      nextStep: 'The System page names them and what to do.',
    }),
  ),
);

/** Runs an action and shows a failure as a toast. Returns whether it succeeded. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (problem) {
    toasts.problem(problem);
    return false;
  }
}

interface Removal {
  /** Text of the toast. */
  readonly done: string;
  readonly remove: () => Promise<unknown>;
  /** Recreates the item, for Undo. */
  readonly restore: () => Promise<unknown>;
  /** Reloads the list after either. */
  readonly load: () => Promise<void>;
}

/** Removes an item and offers Undo. */
export const removeWithUndo = ({ done, remove, restore, load }: Removal): Promise<boolean> =>
  attempt(async () => {
    await remove();
    toasts.done(
      done,
      () =>
        void attempt(async () => {
          await restore();
          await load();
        }),
    );
    await load();
  });
