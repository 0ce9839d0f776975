interface Branch<T> {
  readonly children: Map<string, Branch<T>>;
  readonly values: Map<string, T>;
}

const newBranch = <T>(): Branch<T> => ({ children: new Map(), values: new Map() });

/** Subscriptions by their filter, found by topic in time that depends on the topic's levels, not on their number. */
export class TopicTree<T> {
  readonly #root: Branch<T> = newBranch();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `key` tells entries of one filter apart; the same filter and key replaces. */
  set(filter: string, key: string, value: T): void {
    let branch = this.#root;
    for (const level of filter.split('/')) {
      let next = branch.children.get(level);
      if (next === undefined) {
        next = newBranch();
        branch.children.set(level, next);
      }
      branch = next;
    }
    if (!branch.values.has(key)) this.#size += 1;
    branch.values.set(key, value);
  }

  delete(filter: string, key: string): void {
    const path: { readonly parent: Branch<T>; readonly level: string; readonly branch: Branch<T> }[] = [];
    let branch = this.#root;
    for (const level of filter.split('/')) {
      const next = branch.children.get(level);
      if (next === undefined) return;
      path.push({ parent: branch, level, branch: next });
      branch = next;
    }
    if (!branch.values.delete(key)) return;
    this.#size -= 1;
    for (const step of path.reverse()) {
      if (step.branch.values.size > 0 || step.branch.children.size > 0) return;
      step.parent.children.delete(step.level);
    }
  }

  /** Every entry whose filter matches: `#` before `+` before the level itself. */
  match(topic: string): T[] {
    const found: T[] = [];
    collect(this.#root, topic.split('/'), 0, found);
    return found;
  }
}

function collect<T>(branch: Branch<T>, levels: readonly string[], index: number, found: T[]): void {
  const rest = branch.children.get('#');
  if (rest !== undefined) found.push(...rest.values.values());
  const level = levels[index];
  if (level === undefined) {
    found.push(...branch.values.values());
    return;
  }
  const any = branch.children.get('+');
  if (any !== undefined) collect(any, levels, index + 1, found);
  const same = branch.children.get(level);
  if (same !== undefined) collect(same, levels, index + 1, found);
}
