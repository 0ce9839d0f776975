import { ApiProblem } from '../live/api.ts';

export interface Notice {
  readonly id: number;
  readonly tone: 'good' | 'bad';
  readonly text: string;
  readonly nextStep?: string | undefined;
  /** Code and request id, to copy for whoever helps. */
  readonly reference?: string | undefined;
  readonly undo?: (() => void) | undefined;
}

class Notices {
  list = $state<Notice[]>([]);
  #nextId = 1;

  #show(notice: Omit<Notice, 'id'>, forMs: number): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.list = [...this.list.slice(-3), { ...notice, id }];
    setTimeout(() => this.dismiss(id), forMs);
  }

  done(text: string, undo?: () => void): void {
    this.#show({ tone: 'good', text, undo }, 8000);
  }

  problem(problem: unknown): void {
    if (problem instanceof ApiProblem)
      this.#show(
        {
          tone: 'bad',
          text: problem.message,
          nextStep:
            problem.nextStep ??
            problem.fields.map((field) => `${field.pointer}: ${field.message}`).join('; '),
          reference: [problem.code, problem.requestId].filter(Boolean).join(' '),
        },
        20_000,
      );
    else
      this.#show({ tone: 'bad', text: problem instanceof Error ? problem.message : String(problem) }, 20_000);
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
