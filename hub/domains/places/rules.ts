/** Whether `areaId` would become its own ancestor under `parentId`. */
export function makesCycle(
  areaId: string,
  parentId: string | null,
  parents: Readonly<Record<string, string | null>>,
): boolean {
  const seen = new Set<string>([areaId]);
  let current = parentId;
  while (current !== null) {
    if (seen.has(current)) return true;
    seen.add(current);
    current = parents[current] ?? null;
  }
  return false;
}
