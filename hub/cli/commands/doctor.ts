import { existsSync } from 'node:fs';
import type { Finding } from '#hub/kernel/finding.ts';
import { accepted, type Command, type CommandContext, NotRunning, recordsOf } from '../command.ts';
import { exitCodeOf, findingLines } from '../finding-text.ts';

type Findings = readonly (Finding | Readonly<Record<string, unknown>>)[];

/** Asks the running hub for its findings; null when none runs. */
async function askRunningHub({ withHub }: CommandContext): Promise<Findings | null> {
  try {
    return await withHub(false, async (call) =>
      recordsOf(accepted(await call('GET', '/health/detailed')).findings),
    );
  } catch (error) {
    if (error instanceof NotRunning) return null;
    throw error;
  }
}

/** Opens the store as a start would, reads all of it for damage, and verifies the audit log. */
async function examineStore({ hubEnv, controlSocket }: CommandContext): Promise<Findings> {
  const { startHub } = await import('#hub/compose.ts');
  const { callControlSocket } = await import('../control-socket.ts');
  const { Fault } = await import('#hub/kernel/result.ts');
  try {
    const hub = await startHub({ env: hubEnv, listen: 'console' });
    try {
      await hub.checkWhole();
      return recordsOf(accepted(await callControlSocket(controlSocket, 'GET', '/health/detailed')).findings);
    } finally {
      await hub.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const finding: Finding = {
      id: `start.${error.code}`,
      severity: 'error',
      evidence: `The hub cannot start: ${error.message}`.slice(0, 500),
      fix: 'Do what it says; then run doctor again. The doors go on by the rules that they have.',
    };
    return [finding];
  }
}

/** Runs every check that needs no running hub. */
async function examineStopped(context: CommandContext): Promise<Findings> {
  const { checkConfig, checkFiles, checkPorts } = await import('../doctor-checks.ts');
  const { diskFindings, readDiskSpace } = await import('#hub/platform/health/disk-health.ts');
  const { hubPaths } = await import('#hub/platform/config/hub-config.ts');
  const { config, findings } = checkConfig(context);
  if (config === null) return findings;
  const { store, directory } = hubPaths(config);
  if (!existsSync(store)) {
    const fresh: Finding = {
      id: 'hub.notStartedYet',
      severity: 'info',
      evidence: `There is no store in ${context.stateInWords}.`.slice(0, 500),
      fix: 'The first start (./scripts/start) makes it. If there should be one: name its state by --state or its configuration by --config.',
    };
    return [fresh, ...(await checkPorts(config))];
  }
  const stopped: Finding = {
    id: 'hub.stopped',
    severity: 'warning',
    evidence: 'The hub is not running. Doors go on by the rules that they have; the page does not answer.',
    fix: 'Start it with ./scripts/start, or by the service that you have set up for it.',
  };
  const ofStore = await examineStore(context);
  const disk = ofStore.some((finding) => String(finding.id).startsWith('disk.'))
    ? []
    : diskFindings(await readDiskSpace(directory));
  return [stopped, ...(await checkFiles(config)), ...(await checkPorts(config)), ...disk, ...ofStore];
}

const gravity = ['error', 'warning', 'info'];
const byGravity = (findings: Findings): Findings =>
  findings.toSorted(
    (left, right) => gravity.indexOf(String(left.severity)) - gravity.indexOf(String(right.severity)),
  );

export const doctor: Command = {
  usage: 'doctor',
  summary: 'what is not as it should be, and what to do about it',
  details: `With the hub stopped it also checks the configuration, the ports and the modes of files, reads the whole store for
damage and verifies the audit log. Exit code 0 when nothing grave is found, else 1.`,
  async run(context) {
    const running = await askRunningHub(context);
    let findings = running;
    if (findings === null) findings = await examineStopped(context);
    else {
      const { checkConfig, checkFiles } = await import('../doctor-checks.ts');
      const { config, findings: ofConfig } = checkConfig(context);
      findings = [...findings, ...ofConfig, ...(config === null ? [] : await checkFiles(config))];
    }
    const sorted = byGravity(findings);
    if (context.json) context.print(JSON.stringify({ running: running !== null, findings: sorted }));
    else if (sorted.length === 0) context.print('Nothing is found. All is well.');
    else for (const line of findingLines(sorted)) context.print(line);
    return exitCodeOf(sorted);
  },
};
