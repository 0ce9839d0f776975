import type { Enrolment } from '#hub/domains/access/credential-schema.ts';
import type { AccessEvent } from '#hub/domains/access/event-schema.ts';
import type { Portal } from '#hub/domains/access/place-schema.ts';

/** What the hub announces, with what belongs to it. `reset`: something was missed, load everything again. */
export type LiveMessage =
  | {
      readonly topic: 'portal.state';
      readonly data: { readonly portalId: string } & Pick<Portal, 'connected' | 'live'>;
    }
  | { readonly topic: 'access.event'; readonly data: AccessEvent }
  | { readonly topic: 'enrolment.changed'; readonly data: Enrolment }
  | { readonly topic: 'member.changed'; readonly data: { readonly memberId: string } }
  | {
      readonly topic: 'credential.changed';
      readonly data: { readonly credentialId: string; readonly memberId: string };
    }
  | {
      readonly topic:
        | 'portal.changed'
        | 'rule.changed'
        | 'bridge.changed'
        | 'access.backlog'
        | 'reset'
        | 'signedOut';
      readonly data: object;
    };

/** The browser hands out named events only to those who listen for the name. */
export const liveTopics = [
  'portal.state',
  'access.event',
  'enrolment.changed',
  'member.changed',
  'credential.changed',
  'portal.changed',
  'rule.changed',
  'bridge.changed',
  'access.backlog',
  'reset',
  'signedOut',
] as const satisfies readonly LiveMessage['topic'][];
