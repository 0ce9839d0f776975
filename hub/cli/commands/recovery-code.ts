import { accepted, type Command, recordsOf, siteNameOf, textOf } from '../command.ts';
import { wrap } from '../finding-text.ts';

const lineWidth = 76;

/** The sheet as plain text, for a printer or a pencil. */
function sheetLines({ recoveryCode, madeAt, siteName, parts }: Readonly<Record<string, unknown>>): string[] {
  const groups = textOf(recoveryCode).split('-');
  return [
    '='.repeat(lineWidth),
    `RECOVERY SHEET of ${textOf(siteName)}`,
    `made on ${textOf(madeAt).slice(0, 16).replace('T', ' ')} UTC`,
    '='.repeat(lineWidth),
    '',
    `    ${groups.slice(0, 4).join(' - ')}`,
    `    ${groups.slice(4).join(' - ')}`,
    '',
    ...recordsOf(parts).flatMap(({ title, text }) => [
      `${textOf(title)}:`,
      ...wrap(textOf(text), '  ', lineWidth),
      '',
    ]),
    '='.repeat(lineWidth),
  ];
}

export const recoveryCode: Command = {
  usage: 'recovery-code [--replace]',
  summary: 'make the recovery sheet: print it and put it away',
  details: `Its code unlocks the cards and PINs on a new box that gets its data back from the centre. The code is shown this
once. Making another sheet makes the one before void, so that needs --replace.`,
  options: { replace: { type: 'boolean', help: 'make the sheet that exists void' } },
  run: ({ withHub, isSet, json, print, stateDir }) =>
    withHub(true, async (call) => {
      const { madeAt } = accepted(await call('GET', '/api/access-control/recovery'));
      if (typeof madeAt === 'string' && !isSet('replace'))
        throw new Error(
          `A recovery sheet was made on ${madeAt.slice(0, 10)}. A new one makes it void: run this again with --replace.`,
        );
      if ((await siteNameOf(call)) === null)
        throw new Error(
          `The hub in ${stateDir} has not been claimed: there is nothing yet that a sheet could bring back. Claim it on its page first.`,
        );
      const sheet = accepted(await call('POST', '/api/access-control/recovery/sheet', {}));
      print(json ? JSON.stringify(sheet) : sheetLines(sheet).join('\n'));
      return undefined;
    }),
};
