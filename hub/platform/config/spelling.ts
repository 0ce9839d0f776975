/** Edits (insert, delete, replace, swap neighbours) between two words: Damerau-Levenshtein, restricted. */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped) best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[right.length] ?? 0;
}

/** The known word that was probably meant, or undefined. Case and separators do not count. */
export function guessWord(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.slice(0, 80).toLowerCase().replaceAll(/[-_.]/g, '');
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(plain(word), plain(candidate)),
  }));
  const [best] = distances.sort((left, right) => left.distance - right.distance);
  if (best === undefined) return undefined;
  return best.distance <= Math.max(1, Math.floor(best.candidate.length / 4)) ? best.candidate : undefined;
}
