import { type Command, exitCodes, UsageProblem } from '../command.ts';

export const config: Command = {
  usage: 'config check [FILE]',
  summary: "check the hub's configuration",
  details: `Checks FILE (--config, MAKRCAVE_CONFIG; without any, the defaults) and the environment variables as a start of the hub
would, and names every mistake with file, line and column. Exit code 0 when it is right, 78 when not.`,
  options: { print: { type: 'boolean', help: 'print what holds, as YAML, secrets hidden' } },
  async run({ operands, isSet, json, print, configFile }) {
    const [action, file = configFile, ...rest] = operands;
    if (action !== 'check' || rest.length > 0) throw new UsageProblem('config takes check [FILE].');
    const { loadHubConfig } = await import('#hub/load-hub-config.ts');
    const { ConfigProblems } = await import('#hub/platform/config/config.ts');
    try {
      const loaded = loadHubConfig({ file, env: process.env });
      // Secrets print themselves as hidden.
      const effective: unknown = JSON.parse(JSON.stringify(loaded));
      if (json) print(JSON.stringify({ ok: true, problems: [], config: effective }));
      else if (isSet('print')) print((await import('yaml')).stringify(effective).trimEnd());
      else print('The configuration is right.');
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      if (json) print(JSON.stringify({ ok: false, problems: error.problems }));
      else for (const problem of error.problems) print(problem);
      return exitCodes.config;
    }
  },
};
