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

  /** @param about what it is about: a later notice about the same takes its place, with its Undo */
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

/** Runs what a click asked for; a refusal is shown with its next step. True when it worked. */
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
  /** What the toast says. */
  readonly done: string;
  readonly remove: () => Promise<unknown>;
  /** Makes it anew, for Undo. */
  readonly restore: () => Promise<unknown>;
  /** Brings the list up to date after either. */
  readonly load: () => Promise<void>;
}

/** Removes something and offers to undo that. */
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
