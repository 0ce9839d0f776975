import { accepted, type Command, UsageProblem } from './command.ts';
import { decisionLines } from './decision-text.ts';

export const tap: Command = {
  usage: 'tap --portal KEY --card CARD',
  summary: 'tap a card at a simulated reader',
  details: 'A CARD is FACILITY:NUMBER (26 bit), or FORMAT:FACILITY:NUMBER such as w34:1234:56789.',
  options: {
    portal: { type: 'string', placeholder: 'KEY', help: 'the door, by its key in bridge.yaml' },
    card: { type: 'string', placeholder: 'CARD', help: 'the card' },
  },
  async run({ text, withHub, controlSocket, json, print }) {
    const portal = text('portal');
    const card = text('card');
    if (portal === undefined || card === undefined) throw new UsageProblem('tap needs --portal and --card.');
    const { openControlStream } = await import('./control-stream.ts');
    return withHub(false, async (call) => {
      const stream = await openControlStream(controlSocket);
      try {
        accepted(await call('POST', '/api/access-control/simulated-taps', { portalKey: portal, card }));
        const isDecision = (kind: unknown): boolean => kind === 'granted' || kind === 'denied';
        const { data } = await stream.next(
          (event) => event.topic === 'access.event' && isDecision(event.data.kind),
          5000,
        );
        for (const line of json ? [JSON.stringify(data)] : decisionLines(data)) print(line);
        return undefined;
      } finally {
        stream.close();
      }
    });
  },
};
