import { randomBytes } from 'node:crypto';
import { accepted, type Command, recordsOf, textOf, UsageProblem } from '../command.ts';

/** 120 random bits. */
const newPassword = (): string => randomBytes(15).toString('base64url');

export const password: Command = {
  usage: 'password USERNAME',
  summary: 'give an account a new password',
  details:
    'Makes a random one and shows it once; whoever uses it changes it at Settings, Accounts. For the owner too.',
  run: ({ operands, json, print, withHub }) => {
    const [username, ...tooMany] = operands;
    if (username === undefined || tooMany.length > 0) throw new UsageProblem('password takes a user name.');
    return withHub(true, async (call) => {
      const accounts = recordsOf(accepted(await call('GET', '/api/accounts?limit=200')).items);
      const account = accounts.find((candidate) => textOf(candidate['username']) === username.toLowerCase());
      if (account === undefined)
        throw new Error(
          `There is no account ${username}; there are: ${accounts.map((one) => textOf(one['username'])).join(', ') || 'none'}.`,
        );
      const made = newPassword();
      accepted(await call('PUT', `/api/accounts/${textOf(account['id'])}/password`, { password: made }));
      print(json ? JSON.stringify({ password: made }) : `The new password of ${username}: ${made}`);
      return undefined;
    });
  },
};
