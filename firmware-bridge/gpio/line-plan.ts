import type { GpioLines, OutputLine } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';

/** @throws {Fault} `gpioLineTwice`, `gpioLineUnknown` (an offset that is no line of a chip with `lineCount` lines). */
export function checkLines(lines: GpioLines, lineCount: number): void {
  const seen = new Set<number>();
  for (const { offset } of [...lines.data, ...lines.inputs, ...lines.outputs]) {
    if (seen.has(offset))
      throw new Fault(
        'gpioLineTwice',
        `GPIO line ${offset} is configured twice; give each use a line of its own`,
      );
    if (!Number.isInteger(offset) || offset < 0 || offset >= lineCount)
      throw new Fault(
        'gpioLineUnknown',
        `there is no GPIO line ${offset} here, only 0 to ${lineCount - 1}; correct the line in the bridge's configuration`,
      );
    seen.add(offset);
  }
}

/**
 * Finds the output line at this offset.
 * @throws {Fault} `gpioLineUnknown` when it was not requested as an output.
 */
export function requestedOutput(lines: GpioLines, offset: number): OutputLine {
  const line = lines.outputs.find((candidate) => candidate.offset === offset);
  if (line === undefined)
    throw new Fault('gpioLineUnknown', `GPIO line ${offset} was not requested as an output`);
  return line;
}
