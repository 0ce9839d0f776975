import { secondsInWords } from '#hub/platform/units.ts';
import { accepted, type Command, isRecord, recordsOf, textOf } from '../command.ts';
import { exitCodeOf, findingLines } from '../finding-text.ts';

type Json = Readonly<Record<string, unknown>>;

const doorStates: Readonly<Record<string, string>> = {
  lockdown: 'locked down',
  holdOpen: 'held open',
};

function doorLine(door: Json): string {
  const live = isRecord(door.live) ? door.live : undefined;
  const override = isRecord(door.override) ? doorStates[textOf(door.override.kind)] : undefined;
  const contact = live?.contactOpen === true ? 'open' : live?.contactOpen === false ? 'shut' : '';
  const state =
    live === undefined
      ? 'not connected, goes on by itself'
      : [override ?? textOf(live.mode), contact].filter((word) => word !== '').join(', ');
  const applied = door.applied === true || live === undefined ? '' : '; latest rules not applied yet';
  return `  ${textOf(door.name).padEnd(28)} ${state}${applied}`;
}

const policyStates: Readonly<Record<string, string>> = {
  applied: 'has the latest rules',
  pending: 'is taking over rules',
  refused: 'refused the rules',
};

function bridgeLine(bridge: Json): string {
  const policy = isRecord(bridge.policy) ? textOf(bridge.policy.state) : '';
  const seen = textOf(bridge.lastSeenAt);
  const state =
    bridge.connected === true
      ? `connected, ${policyStates[policy] ?? policy}`
      : `not connected${seen === '' ? '' : `, last heard ${seen}`}`;
  const simulated = bridge.simulated === true ? ' (simulated)' : '';
  return `  ${textOf(bridge.name).padEnd(28)} ${state}${simulated}`;
}

function screen(report: Json, doors: Json, bridges: Json, addresses: Json): readonly string[] {
  const uptime = typeof report.uptimeSeconds === 'number' ? report.uptimeSeconds : 0;
  const https = Array.isArray(addresses.https) ? addresses.https.map(String) : [];
  const findings = findingLines(report.findings);
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ['', title, ...lines];
  return [
    `${textOf(report.siteName) || 'Not claimed yet'}: release ${textOf(report.release)}, running for ${secondsInWords(uptime)}`,
    ...[textOf(addresses.http), ...https]
      .filter((address) => address !== '')
      .map((address) => `  ${address}`),
    ...list('Doors', recordsOf(doors.items).map(doorLine)),
    ...list('Door controllers', recordsOf(bridges.items).map(bridgeLine)),
    ...list('Findings', findings),
    ...(findings.length === 0 ? ['', 'All is well.'] : []),
  ];
}

export const status: Command = {
  usage: 'status',
  summary: 'how the hub, its doors and their controllers are',
  details: 'Exit code 0 when nothing grave is found, 1 when something is, 69 when no hub is running.',
  run: ({ withHub, json, print }) =>
    withHub(false, async (call) => {
      const report = accepted(await call('GET', '/health/detailed'));
      const doors = accepted(await call('GET', '/api/access-control/portals'));
      const bridges = accepted(await call('GET', '/api/access-control/bridges'));
      const addresses = accepted(await call('GET', '/api/system/addresses'));
      if (json) print(JSON.stringify({ ...report, doors: doors.items, bridges: bridges.items, addresses }));
      else for (const line of screen(report, doors, bridges, addresses)) print(line);
      return exitCodeOf(report.findings);
    }),
};
