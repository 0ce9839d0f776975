/** Hours of one day, in minutes since local midnight. */
export interface DayWindow {
  readonly startMinute: number;
  readonly endMinute: number;
}

/** Finds the windows that begin and end in the same minute: they would hold for 24 hours or not at all. */
export const windowErrors = (windows: readonly DayWindow[]): { index: number; message: string }[] =>
  windows.flatMap(({ startMinute, endMinute }, index) =>
    startMinute === endMinute
      ? [{ index, message: 'is the same as the start: for a whole day write 0 to 1440' }]
      : [],
  );

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
