type Plain = string | number | boolean | null;

/** Merges the fields of `changes` that were sent into `current`. */
export function applyChanges<T extends object>(
  current: T,
  changes: { readonly [K in keyof T]?: T[K] | undefined },
): T {
  const sent = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(sent) };
}

/** Describes a change for the audit log: each changed field with its old and new value. */
export function describeChanges<Field extends string>(
  before: Readonly<Record<Field, Plain>>,
  after: Readonly<Record<Field, Plain>>,
  fields: readonly Field[],
): Record<string, { before: Plain; after: Plain }> {
  return Object.fromEntries(
    fields
      .filter((field) => before[field] !== after[field])
      .map((field) => [field, { before: before[field], after: after[field] }]),
  );
}
