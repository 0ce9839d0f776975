/** How many values one statement may carry in an `in (...)`, and how many rows one insert. */
const statementBatch = 200;

/** The items in pieces that fit one statement. */
export function* batchesOf<T>(items: readonly T[], size = statementBatch): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
