import { existsSync } from 'node:fs';
import { access, constants, readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { Finding } from '#hub/kernel/finding.ts';
import { loadHubConfig } from '#hub/load-hub-config.ts';
import { ConfigProblems } from '#hub/platform/config/config.ts';
import { type HubConfig, hubPaths } from '#hub/platform/config/hub-config.ts';
import type { CommandContext } from './command.ts';

const maxProblems = 20;

/** Reads the configuration as a start would, or reports what is wrong with it. */
export function checkConfig({ hubEnv, configFile }: Pick<CommandContext, 'hubEnv' | 'configFile'>): {
  readonly config: HubConfig | null;
  readonly findings: readonly Finding[];
} {
  try {
    return { config: loadHubConfig({ file: configFile, env: hubEnv }), findings: [] };
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    return {
      config: null,
      findings: error.problems.slice(0, maxProblems).map((problem, index) => ({
        id: `config.invalid:${index + 1}`,
        severity: 'error',
        evidence: problem.slice(0, 500),
        fix: 'Correct it: the hub does not start like this. `makrcave-hub config check` tells whether it is right.',
      })),
    };
  }
}

async function modeOf(file: string): Promise<number | null> {
  return stat(file).then(
    ({ mode }) => mode & 0o777,
    () => null,
  );
}

async function privateFiles(config: HubConfig): Promise<readonly string[]> {
  const { directory, keys, tls, store } = hubPaths(config);
  const inside = async (folder: string): Promise<string[]> =>
    (await readdir(folder).catch(() => [])).map((name) => path.join(folder, name));
  return [
    directory,
    store,
    path.resolve(config.stateDir, 'bridge/device.json'),
    ...(await inside(keys)),
    ...(await inside(tls)),
  ];
}

/** Finds secret files that other users may read, and a state directory that this user cannot write. */
export async function checkFiles(config: HubConfig): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const { directory } = hubPaths(config);
  const writable = await access(directory, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (existsSync(directory) && !writable)
    findings.push({
      id: 'files.notWritable',
      severity: 'error',
      evidence: `This user may not write in ${directory}.`.slice(0, 500),
      fix: 'Run this as the user that the hub runs as, or give that user the folder (chown -R).',
    });
  for (const file of await privateFiles(config)) {
    const mode = await modeOf(file);
    if (mode === null || (mode & 0o077) === 0) continue;
    findings.push({
      id: `files.exposed:${path.basename(file)}`.slice(0, 100),
      severity: 'error',
      evidence: `Other users of this machine may open ${file} (mode ${mode.toString(8)}).`.slice(0, 500),
      fix: `chmod go= ${file} - and if somebody else uses this machine, take what is in it as known to them.`.slice(
        0,
        500,
      ),
    });
  }
  return findings;
}

async function portProblem(port: number, host: string): Promise<string | null> {
  if (port === 0) return null;
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<string | null>();
  server.once('error', (error) => resolve('code' in error ? String(error.code) : 'unknown'));
  server.listen({ port, host, exclusive: true }, () => resolve(null));
  const problem = await promise;
  await new Promise<void>((closed) => (server.listening ? server.close(() => closed()) : closed()));
  return problem === 'EADDRINUSE' || problem === 'EACCES' ? problem : null;
}

/** Checks that the configured ports are free. Only with the hub stopped. */
export async function checkPorts(config: HubConfig): Promise<readonly Finding[]> {
  const ports = [
    ['http.port', config.http.port, '127.0.0.1'],
    ['http.httpsPort', config.http.httpsPort, '0.0.0.0'],
  ] as const;
  const findings: Finding[] = [];
  for (const [key, port, host] of ports) {
    const problem = await portProblem(port, host);
    if (problem === null) continue;
    findings.push({
      id: `ports.taken:${port}`,
      severity: 'error',
      evidence:
        problem === 'EACCES'
          ? `The port ${port} (${key}) may not be opened by this user.`
          : `The port ${port} (${key}) is taken by another program.`,
      fix:
        problem === 'EACCES'
          ? 'Choose a port above 1023 in hub.yaml.'
          : `Stop the other program (ss -ltnp | grep ${port} names it), or choose another port in hub.yaml.`,
    });
  }
  return findings;
}
