import type { Json } from './openapi-schemas.ts';

/** The parts of the interface, in the order in which they are read. */
const tagTexts: Readonly<Record<string, string>> = {
  'sign-in': 'Signing in and out, the own sessions and the own password',
  accounts: 'Who can sign in',
  roles: 'What an account may do: roles are sets of permissions',
  sessions: 'Who is signed in where',
  'service accounts': 'How programs get in without being anybody: scopes and tokens',
  audit: 'Who changed what, in a chain that shows when something was cut out',
  members: 'Members, their memberships and their holds',
  plans: 'What a membership costs and how long it lasts',
  groups: 'Groups of members, for access rules',
  credentials: 'Cards: enrol, suspend, replace',
  portals: 'Doors as they are set up: their names, places and settings',
  doors: 'Doors now: unlock, hold open, lock down',
  readers: 'The readers at the doors: whether they are reached, how they speak, pairing',
  alarms: 'Silent alarms of duress PINs, for those who may see them and nobody else',
  'access events': 'What happened at the doors and why, and what would happen',
  rules: 'Who may open which door, and when',
  'opening hours': 'Weekly hours and days that differ from them',
  areas: 'Rooms and buildings, as a tree',
  'door controllers': 'The bridges: the small processes that hold the doors',
  recovery: 'The sheet whose code unlocks the cards on a new box',
  'MQTT devices': 'Devices and programs that speak MQTT with this hub: tokens, and rights by topic',
  live: 'What happens, as it happens: server-sent events',
  webhooks: 'Programs elsewhere that are told what happens, by signed requests',
  sync: 'Replication with a central database: link, state, conflicts, what could not be taken',
  system: 'The hub itself',
};

/** The tags that are used, each with its description; one that nobody described stands last and bare. */
export function describeTags(used: readonly string[]): Json[] {
  const names = new Set(used);
  const known = Object.keys(tagTexts).filter((name) => names.has(name));
  const bare = [...names].filter((name) => tagTexts[name] === undefined).sort();
  return [...known, ...bare].map((name) => {
    const description = tagTexts[name];
    return description === undefined ? { name } : { name, description };
  });
}
