import { accepted, type Command, UsageProblem } from '../command.ts';
import { decisionLines } from '../decision-text.ts';

export const tap: Command = {
  usage: 'tap --portal KEY (--card CARD | --number NUMBER) [--pin PIN]',
  summary: 'tap a card, or type a number, and a PIN at a simulated reader',
  details: 'A CARD is FACILITY:NUMBER (26 bit), or FORMAT:FACILITY:NUMBER such as w34:1234:56789.',
  options: {
    portal: { type: 'string', placeholder: 'KEY', help: 'the door, by its key in bridge.yaml' },
    card: { type: 'string', placeholder: 'CARD', help: 'the card' },
    number: { type: 'string', placeholder: 'NUMBER', help: "a member's number, with --pin" },
    pin: { type: 'string', placeholder: 'PIN', help: 'what is typed after the card or the number' },
  },
  async run({ text, withHub, controlSocket, json, print }) {
    const portal = text('portal');
    const card = text('card');
    const number = text('number');
    const pin = text('pin');
    if (portal === undefined || (card === undefined) === (number === undefined))
      throw new UsageProblem('tap needs --portal, and one of --card and --number.');
    if (number !== undefined && (!/^\d{1,9}$/.test(number) || pin === undefined))
      throw new UsageProblem('--number is the number of a member, in digits, and needs --pin.');
    const shown = card === undefined ? { number: Number(number) } : { card };
    const tapped = { portalKey: portal, ...shown, ...(pin === undefined ? {} : { pin }) };
    const { openControlStream } = await import('../control-stream.ts');
    return withHub(false, async (call) => {
      const stream = await openControlStream(controlSocket);
      try {
        accepted(await call('POST', '/api/access-control/simulated-taps', tapped));
        const isDecision = (kind: unknown): boolean => kind === 'granted' || kind === 'denied';
        const { data } = await stream.next(
          (event) => event.topic === 'access.event' && isDecision(event.data.kind),
          // A door that asks for a PIN says no only when none has come for a while.
          15_000,
        );
        for (const line of json ? [JSON.stringify(data)] : decisionLines(data)) print(line);
        return undefined;
      } finally {
        stream.close();
      }
    });
  },
};
