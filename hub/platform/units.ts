const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1610612736` -> `1.5 GiB`. */
export function bytesInWords(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[step]}`;
}

const spans = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** `7500` -> `2 hours`: the largest unit that fits, rounded down. */
export function secondsInWords(seconds: number): string {
  const [unit, length] = spans.find(([, candidate]) => seconds >= candidate) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
