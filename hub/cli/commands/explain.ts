import { accepted, type Call, type Command, textOf, UsageProblem } from '../command.ts';
import { decisionLines } from '../decision-text.ts';

const timeForms = '2026-11-23T18:30 (in the time zone of the site) or 2026-11-23T18:30:00+01:00';

/** A time as it was typed -> ISO 8601 with offset. Throws `UsageProblem` for what is none. */
async function readAt(call: Call, text: string): Promise<string> {
  if (/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text)))
    return new Date(text).toISOString();
  const { localTimeToMs } = await import('#hub/kernel/zone.ts');
  const timeZone = textOf(accepted(await call('GET', '/api/system/site')).timeZone);
  const atMs = localTimeToMs(text, timeZone);
  if (atMs === null) throw new UsageProblem(`--at takes ${timeForms}, not ${text}.`);
  return new Date(atMs).toISOString();
}

export const explain: Command = {
  usage: 'explain CARD PORTAL',
  summary: 'may this card pass this portal, and why',
  details: 'A CARD is FACILITY:NUMBER (26 bit), or FORMAT:FACILITY:NUMBER such as w34:1234:56789.',
  options: {
    at: {
      type: 'string',
      placeholder: 'TIME',
      help: "in ISO 8601; without an offset in the site's time zone; left out, now",
    },
  },
  async run({ operands, text, withHub, json, print }) {
    const [card, portal] = operands;
    if (card === undefined || portal === undefined)
      throw new UsageProblem('explain needs a card and a portal.');
    const time = text('at');
    return withHub(true, async (call) => {
      const at = time === undefined ? {} : { at: await readAt(call, time) };
      const answer = accepted(
        await call('POST', '/api/access-control/check', { card, portalKey: portal, ...at }),
      );
      for (const line of json ? [JSON.stringify(answer)] : decisionLines(answer)) print(line);
      return undefined;
    });
  },
};
