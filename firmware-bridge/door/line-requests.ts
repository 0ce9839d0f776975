import type { BridgeConfig } from '#bridge/config.ts';
import type { GpioLines, InputLine, OutputLine } from '#bridge/ports.ts';
import { readerDataLines } from '#bridge/readers/registry.ts';
import { lockedLevel } from './door.ts';

interface InputWire {
  readonly line: number;
  readonly activeLow: boolean;
  readonly bias: InputLine['bias'];
  readonly debounceMs: number;
}

const inputLine = (wire: InputWire): InputLine => ({
  offset: wire.line,
  activeLow: wire.activeLow,
  bias: wire.bias,
  edges: 'both',
  debounceMicros: wire.debounceMs * 1000,
});

/** Collects the GPIO lines of a configuration. Once they are requested, every lock is locked. */
export function lineRequests(config: BridgeConfig): GpioLines {
  const readers = config.portals.flatMap((portal) => portal.readers);
  const wires = config.portals.flatMap(({ contact, rex, tamper }) => [contact, rex, tamper]);
  const inputs = [...wires, config.fire].filter((wire) => wire !== undefined).map(inputLine);
  const strikes = config.portals.map(
    ({ strike }): OutputLine => ({
      offset: strike.line,
      activeLow: strike.activeLow,
      safeLevel: lockedLevel(strike.failMode),
    }),
  );
  const signals = readers
    .flatMap(({ led, buzzer }) => [led, buzzer])
    .filter((wire) => wire !== undefined)
    .map(({ line, activeLow }): OutputLine => ({ offset: line, activeLow, safeLevel: 0 }));
  return {
    data: readers.flatMap(({ wiring }) => readerDataLines(wiring).map(({ line }) => line)),
    inputs,
    outputs: [...strikes, ...signals],
  };
}
