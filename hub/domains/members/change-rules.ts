type Plain = string | number | boolean | null;

/** `current` with those fields of `changes` that were sent. */
export function applyChanges<T extends object>(
  current: T,
  changes: { readonly [K in keyof T]?: T[K] | undefined },
): T {
  const sent = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(sent) };
}

/** What differs, for the audit log: each field with its value before and after. */
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
