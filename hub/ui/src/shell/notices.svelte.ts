export type Notice = { readonly id: number; readonly about?: string | undefined } & (
  | { readonly tone: 'good'; readonly text: string; readonly undo?: (() => void) | undefined }
  | { readonly tone: 'bad'; readonly problem: unknown; readonly undo?: undefined }
);
type Shown = Notice extends infer N ? (N extends Notice ? Omit<N, 'id'> : never) : never;

const doneForMs = 8000;
const undoForMs = 15_000;
const problemForMs = 20_000;

class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #nextId = 1;

  #show(notice: Shown, forMs: number): void {
    const id = this.#nextId;
    this.#nextId += 1;
    const others = this.list.filter(({ about }) => about === undefined || about !== notice.about);
    this.list = [...others.slice(-2), { ...notice, id }];
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
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();

/** Runs what a click asked for; a refusal is shown with its next step. True when it worked. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (problem) {
    notices.problem(problem);
    return false;
  }
}
