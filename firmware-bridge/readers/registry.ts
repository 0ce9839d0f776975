import { z } from 'zod';
import type { InputLine } from '#bridge/ports.ts';
import { assert } from '#hub/kernel/result.ts';
import type { GpioReaderKind, SerialReaderKind } from './kind.ts';
import * as kinds from './kinds.ts';

type Kind = (typeof kinds)[keyof typeof kinds];
export type SerialReaderConfig = z.infer<Extract<Kind, { connection: 'serial' }>['schema']>;
export type GpioReaderConfig = z.infer<Extract<Kind, { connection: 'gpio' }>['schema']>;
export type ReaderConfig = SerialReaderConfig | GpioReaderConfig;

const [firstSchema, ...moreSchemas] = Object.values(kinds).map(({ schema }) => schema);
assert(firstSchema !== undefined, 'there are reader kinds');

/** A reader in `bridge.yaml`; its `kind` names one of `kinds.ts`. */
export const readerConfigSchema = z.discriminatedUnion('kind', [firstSchema, ...moreSchemas]);

// A kind only ever sees its own configuration, because it was found by the `kind` in it.
const gpioKinds = new Map<string, GpioReaderKind<GpioReaderConfig>>();
const serialKinds = new Map<string, SerialReaderKind<SerialReaderConfig>>();
for (const kind of Object.values(kinds)) {
  const name = kind.schema.shape.kind.value;
  if (kind.connection === 'gpio') gpioKinds.set(name, kind);
  else serialKinds.set(name, kind);
}

function found<T>(kind: T | undefined): T {
  assert(kind !== undefined, 'the kind of a reader is registered');
  return kind;
}

type Named = Pick<ReaderConfig, 'kind'>;
export const serialKindOf = ({ kind }: Named): SerialReaderKind<SerialReaderConfig> =>
  found(serialKinds.get(kind));
export const gpioKindOf = ({ kind }: Named): GpioReaderKind<GpioReaderConfig> => found(gpioKinds.get(kind));
export const kindOf = ({ kind }: Named): GpioReaderKind<ReaderConfig> | SerialReaderKind<ReaderConfig> =>
  found(gpioKinds.get(kind) ?? serialKinds.get(kind));

export const isSerial = (config: ReaderConfig): config is SerialReaderConfig => serialKinds.has(config.kind);

/** The titles of all buses. */
export const busTitles = (): string[] =>
  [...serialKinds.values()].flatMap(({ bus }) => (bus === null ? [] : [bus.title]));

/** Lists the GPIO data lines of a reader, each with its field in the configuration; none for a serial reader. */
export const readerDataLines = (
  config: ReaderConfig,
): readonly { readonly field: string; readonly line: InputLine }[] =>
  isSerial(config) ? [] : gpioKindOf(config).dataLines(config);
