import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import type { ErrorPlace } from './error-report.ts';

const maxFrames = 50;
const maxCauses = 5;
const word = z.string().max(200);

const frameSchema = z.strictObject({
  filename: word,
  function: word,
  lineno: z.number().int(),
  colno: z.number().int(),
  in_app: z.boolean(),
});
const exceptionSchema = z.strictObject({
  type: word,
  value: word,
  stacktrace: z.strictObject({ frames: z.array(frameSchema).max(maxFrames) }),
});

/**
 * All that ever leaves the box about an error. Nothing of what somebody sent or of what is stored: no messages (they may
 * quote either), no headers, bodies, names or addresses.
 */
export const errorEventSchema = z.strictObject({
  event_id: z.string().regex(/^[0-9a-f]{32}$/),
  /** Seconds since 1970. */
  timestamp: z.number(),
  platform: z.literal('node'),
  level: z.enum(['error', 'fatal']),
  release: word,
  environment: word,
  exception: z.strictObject({ values: z.array(exceptionSchema).max(maxCauses) }),
  tags: z.strictObject({ where: word, requestId: word.optional(), node: word, alike: z.number().int() }),
  fingerprint: z.array(word).max(3),
});
export type ErrorEvent = z.infer<typeof errorEventSchema>;

const frameLine =
  /^\s+at (?:(?<name>(?:async )?(?:new )?[\w.$#<>[\] ]{1,120}) \()?(?<file>(?:file:\/\/|node:|\/)[^()]*?):(?<line>\d+):(?<column>\d+)\)?$/;

/** A file as the maintainers know it; undefined for what is not part of the product. */
function knownFile(file: string, root: string): { filename: string; in_app: boolean } | undefined {
  if (file.startsWith('node:')) return { filename: file.slice(0, 200), in_app: false };
  const relative = path.relative(root, file.replace(/^file:\/\//, ''));
  if (relative.startsWith('..') || path.isAbsolute(relative)) return undefined;
  return { filename: relative.slice(0, 200), in_app: !relative.startsWith('node_modules') };
}

/** Frames of a stack, the innermost last as Sentry wants them. The message in front, whatever it says, is passed over. */
function framesOf(error: Error, root: string): z.infer<typeof frameSchema>[] {
  const stack = error.stack ?? '';
  const messageEnd = error.message === '' ? -1 : stack.indexOf(error.message);
  const lines = stack.slice(messageEnd < 0 ? 0 : messageEnd + error.message.length).split('\n');
  const frames: z.infer<typeof frameSchema>[] = [];
  for (const line of lines) {
    const groups = frameLine.exec(line)?.groups;
    const known = groups?.['file'] === undefined ? undefined : knownFile(groups['file'], root);
    if (groups === undefined || known === undefined) continue;
    frames.unshift({
      ...known,
      function: groups['name'] ?? '?',
      lineno: Number(groups['line']),
      colno: Number(groups['column']),
    });
  }
  return frames.slice(-maxFrames);
}

const identifier = /^[A-Za-z][\w.]{0,60}$/;
/** The code of a fault or of the system: ours and Node's are plain words. */
function codeOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return identifier.test(code) ? code : '(the message stays in the log of the hub)';
}
const typeOf = (error: Error): string =>
  error instanceof Fault ? 'Fault' : identifier.test(error.name) ? error.name : 'Error';

function chainOf(error: Error): readonly Error[] {
  const chain: Error[] = [];
  let current: unknown = error;
  while (current instanceof Error && chain.length < maxCauses) {
    chain.push(current);
    current = current.cause;
  }
  return chain;
}

interface EventFacts {
  readonly place: ErrorPlace;
  readonly level: ErrorEvent['level'];
  readonly nowMs: number;
  readonly release: string;
  readonly environment: string;
  readonly root: string;
}

/** An error as it may be told. `alike` counts those that were not told because they were the same. */
export function errorToEvent(thrown: unknown, facts: EventFacts): ErrorEvent {
  const error = thrown instanceof Error ? thrown : new Error('something that is no error was thrown');
  const { place, level, nowMs, release, environment, root } = facts;
  // Sentry reads from the cause to the effect.
  const values = chainOf(error)
    .map((cause) => ({
      type: typeOf(cause),
      value: codeOf(cause),
      stacktrace: { frames: framesOf(cause, root) },
    }))
    .reverse();
  const own = values.at(-1);
  const innermost = own?.stacktrace.frames.findLast(({ in_app }) => in_app);
  return errorEventSchema.parse({
    event_id: randomUUID().replaceAll('-', ''),
    timestamp: nowMs / 1000,
    platform: 'node',
    level,
    release,
    environment,
    exception: { values },
    tags: {
      where: place.where.slice(0, 200),
      ...(place.requestId === undefined ? {} : { requestId: place.requestId.slice(0, 200) }),
      node: process.versions.node,
      alike: 0,
    },
    fingerprint: [
      own?.type ?? '',
      own?.value ?? '',
      innermost === undefined ? place.where.slice(0, 150) : `${innermost.filename}:${innermost.lineno}`,
    ],
  });
}
