import { readFile } from 'node:fs/promises';
import { type Command, UsageProblem } from '../command.ts';

const urlVariable = 'MAKRCAVE_CENTRAL_URL';

export const restore: Command = {
  usage: 'restore --from-central [URL]',
  summary: 'make a hub out of what the centre has, on an empty machine',
  details: `URL is the address of the central database for hubs, or stands in ${urlVariable}. The code comes from
\`makrcave-hub central replace-hub\`, and with its use the machine that was this hub so far is shut out. The recovery
code is on the recovery sheet: without it no card and no PIN works any more. When it is cut off, run it again.`,
  options: {
    'from-central': { type: 'boolean', help: 'from the central database, the one place there is' },
    code: { type: 'string', placeholder: 'CODE', help: 'the one-time code; not for going on' },
    'recovery-code': { type: 'string', placeholder: 'CODE', help: 'from the recovery sheet' },
    'without-cards': { type: 'boolean', help: 'the sheet is lost: enrol every card again' },
    ca: { type: 'string', placeholder: 'FILE', help: "the authority (PEM) of the centre's certificate" },
  },
  async run({ operands, text, isSet, stateDir, hubEnv, print }) {
    if (!isSet('from-central')) throw new UsageProblem('restore takes --from-central.');
    const [given, ...tooMany] = operands;
    const url = given ?? process.env[urlVariable] ?? '';
    if (url === '' || tooMany.length > 0)
      throw new UsageProblem(`Which centre? Give its URL, or put it into ${urlVariable}.`);
    const authorityFile = text('ca');
    const { restoreHub } = await import('#hub/restore.ts');
    await restoreHub({
      env: hubEnv,
      url,
      ca: authorityFile === undefined ? undefined : await readFile(authorityFile, 'utf8'),
      code: text('code'),
      recoveryCode: text('recovery-code'),
      withoutCards: isSet('without-cards'),
      print,
    });
    print(
      `Done: the hub is in ${stateDir}. Next: set a password (makrcave-hub password USERNAME), start the hub`,
    );
    print(
      '(./scripts/start), and give door controllers on other machines a new token (docs/configuration.md,',
    );
    print('"A door controller on another machine"). What they kept comes in by itself.');
    return undefined;
  },
};
