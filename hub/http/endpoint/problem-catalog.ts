import { assert, type Refusal } from '#hub/kernel/result.ts';
import type { ProblemSpec } from '#hub/kernel/vocabulary.ts';
import { type Problem, type ProblemText, platformProblems, refusalToProblem } from './problem.ts';

type Described = ProblemText & Pick<ProblemSpec, 'facts'>;

/** Every code that the hub may answer with: those of the domains and the platform's own. */
export class ProblemCatalog {
  readonly #specs: Readonly<Record<string, Described>>;

  /** @param specs the domains' codes */
  constructor(specs: Readonly<Record<string, ProblemSpec>> = {}) {
    this.#specs = { ...specs, ...platformProblems };
  }

  /** Returns status and texts of a code. A code that no domain declares is a bug. */
  of(code: string): Described {
    const spec = this.#specs[code];
    assert(spec !== undefined, `no domain declares the refusal code ${code}`);
    return spec;
  }

  has(code: string): boolean {
    return Object.hasOwn(this.#specs, code);
  }

  /** Maps a refusal to its problem. */
  ofRefusal(refusal: Refusal): Problem {
    return refusalToProblem(refusal, this.of(refusal.code));
  }
}
