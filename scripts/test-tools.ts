import { spawn, spawnSync } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { root } from './checks.ts';

/**
 * The kernel on whose GPIO the bridge is tested: built once into the user's cache. Its path, or null where this machine
 * cannot build it; the reason is then said at the end.
 */
export async function findKernel(leftOutFile: string): Promise<string | null> {
  const child = spawn(path.join(root, 'scripts/uml-kernel'), [], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let found = '';
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (found += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    process.stderr.write(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code === 0) return found.trim();
  const reason = said.trim().split('\n').at(-1) ?? `uml-kernel ended with ${code}`;
  await appendFile(
    leftOutFile,
    `- the bridge on a real kernel's GPIO (tests/system/kernel/*.test.ts): ${reason}\n`,
  );
  return null;
}

interface DebianTool {
  /** Shows whether the packages are there: the command runs, and ends well where that is asked for. */
  readonly command: string;
  readonly args: readonly string[];
  readonly mustEndWell: boolean;
  readonly debianPackages: readonly string[];
  readonly tested: string;
}

/** Debian's programs and libraries that tests run against. */
const debianTools: readonly DebianTool[] = [
  {
    command: 'mosquitto_pub',
    args: ['-h'],
    mustEndWell: false,
    debianPackages: ['mosquitto-clients'],
    tested: "the broker with Debian's mosquitto_pub and mosquitto_sub (tests/mqtt/mosquitto.test.ts)",
  },
  {
    command: 'socat',
    args: ['-h'],
    mustEndWell: false,
    debianPackages: ['socat'],
    tested: 'serial readers on real pseudo terminals (*serial*.test.ts, osdp/peripheral-process.test.ts)',
  },
  {
    command: 'cc',
    args: ['-fsyntax-only', path.join(root, 'tests/mqtt/mbedtls-client.c')],
    mustEndWell: true,
    debianPackages: ['gcc', 'libc6-dev', 'libmbedtls-dev'],
    tested: "MQTT over TLS with Debian's mbedTLS, as on an ESP32 (tests/mqtt/small-tls.test.ts)",
  },
];

/** Installed once where this user may; else what they test is said at the end. */
export async function findTools(leftOutFile: string): Promise<void> {
  const isMissing = ({ command, args, mustEndWell }: DebianTool): boolean => {
    const { error, status } = spawnSync(command, args);
    return error !== undefined || (mustEndWell && status !== 0);
  };
  const asRoot = process.getuid?.() === 0;
  const wantedPackages = debianTools.filter(isMissing).flatMap(({ debianPackages }) => debianPackages);
  if (wantedPackages.length > 0 && asRoot) {
    process.stderr.write(`Installing ${wantedPackages.join(', ')} ...\n`);
    const bounded = {
      timeout: 120_000,
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const;
    const install = ['install', '-y', '--no-install-recommends', ...wantedPackages];
    if (spawnSync('apt-get', install, bounded).status !== 0) {
      spawnSync('apt-get', ['update'], bounded);
      spawnSync('apt-get', install, bounded);
    }
  }
  for (const { debianPackages, tested } of debianTools.filter(isMissing)) {
    const packages = debianPackages.join(' ');
    const reason = asRoot
      ? `apt-get could not install ${packages}`
      : `run as root: apt-get install ${packages}`;
    await appendFile(leftOutFile, `- ${tested}: ${reason}\n`);
  }
}
