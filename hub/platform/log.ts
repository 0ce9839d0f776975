import { type Bindings, type DestinationStream, type Level, type Logger, pino, stdTimeFunctions } from 'pino';
import { LogOutput } from './log-output.ts';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = Level | 'silent';

const redacted = '[redacted]';
/** Limits of a logged value: depth, items and characters. */
const maxDepth = 6;
const maxItems = 100;
const maxCharacters = 4096;

/**
 * Names, without separators and in lower case, whose values never reach a log: what opens an account, a session, a
 * bridge or a door. A card is known in logs by its credential id only.
 */
const secretName =
  /password|passphrase|secret|token|cookie|authorization|csrf|privatekey|apikey|claimcode|recoverycode|cardnumber|^(pin|key|card|read|reading|bits|hex|uid|rawhex|raw|rawbits|carddata|cardhex|facility|facilitycode)$/;
/** Names that the pattern catches by accident. */
const harmlessNames = new Set(['tokenid', 'tokencount']);

function matchesSecretName(name: string): boolean {
  const plain = name.replaceAll(/[-_.\s]/g, '').toLowerCase();
  return secretName.test(plain) && !harmlessNames.has(plain);
}

/** Every line has the same few names: each is looked at once. Names beyond so many come from outside and are not kept. */
const maxKnownNames = 500;
const knownNames = new Map<string, boolean>();

function isSecretName(name: string): boolean {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const isSecret = matchesSecretName(name);
  if (knownNames.size < maxKnownNames) knownNames.set(name, isSecret);
  return isSecret;
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const own = redactFields(error, depth);
  return {
    ...own,
    type: error.name,
    message: shorten(error.message),
    stack: shorten(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
  };
}

const shorten = (text: string): string =>
  text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}...[${text.length} characters]`;

function redactFields(value: object, depth: number): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value).slice(0, maxItems))
    kept[name] =
      isSecretName(name) && field !== null && field !== undefined ? redacted : redact(field, depth + 1);
  return kept;
}

/** `value` as it may be logged: secret fields replaced, bytes never shown, errors with their causes, everything bounded. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return shorten(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= maxDepth) return '[deeper]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Map) return redact(Object.fromEntries(value), depth);
  if (value instanceof Set) return redact([...value], depth);
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item: unknown) => redact(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1);
  return redactFields(value, depth);
}

const redactRecord = (fields: object): Record<string, unknown> => redactFields(fields, 0);

/** Redacts the bindings of child loggers too: pino runs a `bindings` formatter only for the root. */
function redactChildren(log: Logger): Logger {
  const child = log.child.bind(log);
  return Object.assign(log, {
    child: (bindings: Bindings): Logger => redactChildren(child(redactRecord(bindings))),
  });
}

/**
 * The process's log: JSON lines with level names and ISO times, on stdout unless `destination` says otherwise. Give
 * each subsystem its `log.child({ subsystem: 'http' })`.
 */
export function createLog(options: {
  readonly level: LogLevel;
  readonly destination?: DestinationStream;
}): Logger {
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redactRecord },
      // Errors are serialized by `redact`, with their causes as fields.
      serializers: { err: (value: unknown) => value },
    },
    options.destination ?? new LogOutput(),
  );
  return redactChildren(log);
}
