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

/** Debian's programs that tests run against; `command` shows whether a package is there. */
const debianTools = [
  {
    command: 'mosquitto_pub',
    debianPackage: 'mosquitto-clients',
    tested: "the broker with Debian's mosquitto_pub and mosquitto_sub (tests/mqtt/mosquitto.test.ts)",
  },
  {
    command: 'socat',
    debianPackage: 'socat',
    tested: 'serial readers on real pseudo terminals (*serial*.test.ts, osdp/peripheral-process.test.ts)',
  },
] as const;

/** Installed once where this user may; else what they test is said at the end. */
export async function findTools(leftOutFile: string): Promise<void> {
  const isThere = (command: string): boolean => spawnSync(command, ['-h']).error === undefined;
  const isMissing = ({ command }: (typeof debianTools)[number]): boolean => !isThere(command);
  const asRoot = process.getuid?.() === 0;
  const wantedPackages = debianTools.filter(isMissing).map(({ debianPackage }) => debianPackage);
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
  for (const { debianPackage, tested } of debianTools.filter(isMissing)) {
    const reason = asRoot
      ? `apt-get could not install ${debianPackage}`
      : `run as root: apt-get install ${debianPackage}`;
    await appendFile(leftOutFile, `- ${tested}: ${reason}\n`);
  }
}
