import { maxTopicBytes, type TopicRight } from './schema.ts';

/** Below it the hub and its door controllers speak; no device gets there, whatever its rights say. */
export const bridgeRoot = 'mc';
/** Every device has `devices/<username>/...` to itself. */
export const deviceRoot = 'devices';

/** Levels of a topic or a filter. */
export const maxTopicLevels = 16;

/** First levels that a wildcard in the first place does not stand for, as MQTT has it for `$SYS`. */
const isReserved = (firstLevel: string): boolean =>
  firstLevel.startsWith('$') || firstLevel === bridgeRoot || firstLevel === deviceRoot;

/** The namespace of one device, as a filter. */
export const ownFilter = (username: string): string => `${deviceRoot}/${username}/#`;

export type FilterProblem = 'empty' | 'tooLong' | 'controlCharacter' | 'wildcardPlace' | 'shared';

/** Checks a topic filter; null if it is valid. `#` stands alone in the last level, `+` alone in any. */
export function filterProblem(filter: string): FilterProblem | null {
  if (filter === '') return 'empty';
  const levels = filter.split('/');
  if (Buffer.byteLength(filter) > maxTopicBytes || levels.length > maxTopicLevels) return 'tooLong';
  if (/\p{Cc}|\p{Cs}/u.test(filter)) return 'controlCharacter';
  if (filter.startsWith('$share/')) return 'shared';
  const misplaced = levels.some(
    (level, index) =>
      (level.includes('#') && (level !== '#' || index !== levels.length - 1)) ||
      (level.includes('+') && level !== '+'),
  );
  return misplaced ? 'wildcardPlace' : null;
}

/** Whether a topic may be published to at all. */
export const isTopicName = (topic: string): boolean =>
  !topic.includes('#') && !topic.includes('+') && filterProblem(topic) === null;

const startsWild = (filter: string): boolean => filter.startsWith('#') || filter.startsWith('+');

/** As a right is read: a wildcard in the first place stands for no reserved first level. */
export const rightMatches = (filter: string, topic: string): boolean =>
  filterMatches(filter, topic) && !(startsWild(filter) && isReserved(topic.split('/', 1)[0] ?? ''));

/** As MQTT matches a subscription: a wildcard in the first place stands for no topic that starts with `$`. */
export function filterMatches(filter: string, topic: string): boolean {
  if (startsWild(filter) && topic.startsWith('$')) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}

/** True when every topic that `filter` asks for is one that `right` gives, reserved first levels aside. */
export function filterCovers(right: string, filter: string): boolean {
  const given = right.split('/');
  const asked = filter.split('/');
  if (startsWild(right) && isReserved(asked[0] ?? '')) return false;
  for (const [index, level] of given.entries()) {
    if (level === '#') return true;
    const other = asked[index];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return given.length === asked.length;
}

export type RightProblem = FilterProblem | 'bridgeTopics' | 'publishToSystem' | 'unknownSystem';

/** Why a right cannot be given, or null. */
export function rightProblem(right: TopicRight): RightProblem | null {
  const problem = filterProblem(right.filter);
  if (problem !== null) return problem;
  const [first = ''] = right.filter.split('/');
  if (first === bridgeRoot) return 'bridgeTopics';
  if (!first.startsWith('$')) return null;
  if (right.action === 'publish') return 'publishToSystem';
  return first === '$SYS' ? null : 'unknownSystem';
}

/** The user of a connection and its rights. */
export interface TopicUser {
  readonly username: string;
  readonly rights: readonly TopicRight[];
  /** A message of quality 0 without a right is dropped instead of ending the connection. */
  readonly dropsRefused?: boolean;
}

const grants = (user: TopicUser, action: TopicRight['action'], holds: (filter: string) => boolean): boolean =>
  holds(ownFilter(user.username)) ||
  user.rights.some((right) => right.action === action && holds(right.filter));

const isBridgeTopic = (topic: string): boolean => topic === bridgeRoot || topic.startsWith(`${bridgeRoot}/`);

export const mayPublish = (user: TopicUser, topic: string): boolean =>
  isTopicName(topic) &&
  !topic.startsWith('$') &&
  !isBridgeTopic(topic) &&
  grants(user, 'publish', (filter) => rightMatches(filter, topic));

/** Checked for every message before delivery: a subscription may ask for more than the rights allow. */
export const mayReceive = (user: TopicUser, topic: string): boolean =>
  !isBridgeTopic(topic) && grants(user, 'subscribe', (filter) => rightMatches(filter, topic));

/** One right has to cover the whole filter: `#` is no way to find out what there is. */
export const maySubscribe = (user: TopicUser, filter: string): boolean =>
  filterProblem(filter) === null &&
  !isBridgeTopic(filter) &&
  grants(user, 'subscribe', (given) => filterCovers(given, filter));
