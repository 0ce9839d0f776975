import { accepted, type Command, UsageProblem } from '../command.ts';
import { decisionLines } from '../decision-text.ts';

export const explain: Command = {
  usage: 'explain CARD PORTAL',
  summary: 'may this card pass this portal, and why',
  details: 'A CARD is FACILITY:NUMBER (26 bit), or FORMAT:FACILITY:NUMBER such as w34:1234:56789.',
  options: { at: { type: 'string', placeholder: 'TIME', help: 'in ISO 8601; without it, now' } },
  async run({ operands, text, withHub, json, print }) {
    const [card, portal] = operands;
    if (card === undefined || portal === undefined)
      throw new UsageProblem('explain needs a card and a portal.');
    const time = text('at');
    const at = time === undefined ? {} : { at: time };
    return withHub(true, async (call) => {
      const answer = accepted(
        await call('POST', '/api/access-control/check', { card, portalKey: portal, ...at }),
      );
      for (const line of json ? [JSON.stringify(answer)] : decisionLines(answer)) print(line);
      return undefined;
    });
  },
};
