import { accepted, type Command, textOf } from '../command.ts';

export const claimCode: Command = {
  usage: 'claim-code',
  summary: 'make a new claim code for a hub that nobody owns yet',
  run: ({ withHub, json, print }) =>
    withHub(false, async (call) => {
      const answer = accepted(await call('POST', '/api/system/claim-code', {}));
      print(json ? JSON.stringify(answer) : `Claim code: ${textOf(answer.code)} (good for 15 minutes)`);
      return undefined;
    }),
};
