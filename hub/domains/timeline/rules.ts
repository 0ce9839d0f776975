import type { Actor } from '#hub/domains/identity/schema.ts';
import type { AuditFacts, AuditWord } from '#hub/kernel/vocabulary.ts';
import type { ActivityKind } from './schema.ts';

/** The tables whose rows make up a member's timeline, as the audit log names them. */
const kindByTable: Readonly<Record<string, ActivityKind>> = {
  member: 'member',
  membership: 'membership',
  hold: 'hold',
  credential: 'card',
};

export const activityKindOf = (table: string): ActivityKind | null => kindByTable[table] ?? null;

/** Describes an action; one that no domain has words for keeps its name. */
function sentenceOf(word: AuditWord | undefined, action: string, facts: AuditFacts): string {
  if (word === undefined) return action;
  return typeof word === 'string' ? word : word(facts);
}

/**
 * `Card suspended: Blue fob; asked for by phone`.
 * @param words the words of all domains, by action
 * @param recorded `facts` is the payload of the audit entry, null once that was emptied; `cardName` what the card is called
 *   now, for an entry that does not say
 */
export function describeAction(
  words: Readonly<Record<string, AuditWord>>,
  recorded: { readonly action: string; readonly facts: AuditFacts | null; readonly cardName: string | null },
): string {
  const { action, cardName } = recorded;
  const facts = recorded.facts ?? {};
  // A PIN is called "PIN", which the sentence says already.
  const name = action.endsWith('Pin') ? null : (facts['label'] ?? cardName);
  const details = [name, facts['reason'], facts['note']].filter(
    (text) => typeof text === 'string' && text !== '',
  );
  const sentence = sentenceOf(words[action], action, facts);
  return details.length === 0 ? sentence : `${sentence}: ${details.join('; ')}`;
}

const actorKindNames: Readonly<Record<Actor['kind'], string | null>> = {
  account: null,
  service: null,
  console: 'the command line of the hub',
  bridge: 'a door controller',
  system: 'the hub itself',
};

/** Names the actor; null when an account's name is no longer known. */
export const describeActor = (actor: {
  readonly kind: Actor['kind'];
  readonly name: string | null;
}): string | null => actor.name ?? actorKindNames[actor.kind];
