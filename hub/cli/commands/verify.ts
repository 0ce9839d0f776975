import { accepted, type Command } from '../command.ts';

export const verify: Command = {
  usage: 'verify',
  summary: 'check the hash chain of the audit log',
  details: 'Exit code 0 when it is whole, 1 when it was changed. Works with the hub stopped, too.',
  run: ({ withHub, json, print }) =>
    withHub(true, async (call) => {
      const answer = accepted(await call('GET', '/api/system/verify'));
      if (json) print(JSON.stringify(answer));
      else if (answer.ok === true) print(`The audit log is whole: ${String(answer.entries)} entries.`);
      else print(`The audit log was changed: ${JSON.stringify(answer.firstBroken)}`);
      return answer.ok === true ? 0 : 1;
    }),
};
