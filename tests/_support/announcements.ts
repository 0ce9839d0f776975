import { domains } from '#hub/domains.ts';
import { catalogOf } from '#hub/open-domains.ts';
import type { Announce } from '#hub/store/announce.ts';

/** What was announced, as a client would read it. */
export interface Announced {
  readonly topic: string;
  // Tests read whatever was announced.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
}

const { topics } = catalogOf(domains);

/** Takes down what is announced. Each must fit the schema of its topic: that is what clients are told to expect. */
export function recordAnnouncements(announced: Announced[] = []): {
  readonly announced: Announced[];
  readonly announce: Announce;
} {
  return {
    announced,
    announce: ({ topic, data }) =>
      void announced.push({ topic, data: topics[topic]?.data.parse(JSON.parse(JSON.stringify(data))) }),
  };
}
