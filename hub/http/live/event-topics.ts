import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { TopicSpec } from '#hub/kernel/vocabulary.ts';

/** Live topics, by name. */
export type LiveTopics = Readonly<Record<string, Pick<TopicSpec, 'permission' | 'text'>>>;

export interface UnknownTopic extends Refusal<'topicUnknown'> {
  /** Lists the known topics. */
  readonly message: string;
}

/**
 * The topics that a list like `access.event,member.*` means. A part that fits no topic is refused: a slip would be a
 * stream that stays silent.
 */
export function chooseTopics(list: string, topics: LiveTopics): Result<ReadonlySet<string>, UnknownTopic> {
  const known = Object.keys(topics);
  const chosen = new Set<string>();
  const unknown: string[] = [];
  for (const part of list.split(',').map((text) => text.trim())) {
    const fits = part.endsWith('*')
      ? known.filter((topic) => topic.startsWith(part.slice(0, -1)))
      : known.filter((topic) => topic === part);
    for (const topic of fits) chosen.add(topic);
    if (fits.length === 0) unknown.push(part.slice(0, 80));
  }
  if (unknown.length === 0) return ok(chosen);
  return refuse({
    code: 'topicUnknown',
    message: `no topic is ${unknown.map((part) => JSON.stringify(part)).join(', ')}; there are ${known.join(', ')}`,
  });
}

/** Renders the stream's documentation, in Markdown. */
export function describeTopics(topics: LiveTopics): string {
  const rows = Object.entries(topics).map(
    ([topic, { permission, text }]) => `| \`${topic}\` | ${text} | \`${permission}\` |`,
  );
  return [
    'Every event has an `id`; a client that names its last one gets what it missed from a bounded log, or the event ' +
      '`reset` when that is no longer known (too long away, or the hub was restarted): load everything again. Notices ' +
      'without content of their own: `hello`, `reset`, `signedOut`, `dropped` (read too slowly), `closing`. A comment ' +
      'comes every 15 s.',
    '',
    '| topic | what happens | permission |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n');
}
