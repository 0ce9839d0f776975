import { accepted, type Command, siteNameOf } from '../command.ts';

export const verify: Command = {
  usage: 'verify',
  summary: 'check the hash chain of the audit log',
  details: 'Exit code 0 when it is whole, 1 when it was changed. Works with the hub stopped, too.',
  run: ({ withHub, json, print, stateDir }) =>
    withHub(true, async (call) => {
      const answer = accepted(await call('GET', '/api/system/verify'));
      if (json) print(JSON.stringify(answer));
      else {
        const log = `The audit log of ${(await siteNameOf(call)) ?? `the hub in ${stateDir}`}`;
        if (answer.ok === true) print(`${log} is whole: ${String(answer.entries)} entries.`);
        else print(`${log} was changed: ${JSON.stringify(answer.firstBroken)}`);
      }
      return answer.ok === true ? 0 : 1;
    }),
};
