import { spawn } from 'node:child_process';

/** Ends processes of a test whose own process was killed before it could. */
export interface Reaper {
  /** Notes the process that a name stands for now; null: it has ended. */
  note(name: string, pid: number | null): void;
  /** Ends nothing: the test has done so itself. */
  close(): void;
}

/**
 * Keeps lines "name pid" until standard input closes, which the end of the test process does however it ends; then it
 * kills what is left and removes $1.
 */
const script = `
left=
while read -r name pid; do
  [ "$name" = done ] && exit
  kept=
  for one in $left; do [ "\${one%%=*}" = "$name" ] || kept="$kept $one"; done
  left=$kept
  [ -z "$pid" ] || left="$left $name=$pid"
done
for one in $left; do kill -KILL "\${one#*=}"; done
[ -z "$1" ] || rm -rf "$1"
`;

/** @param folder removed after the processes, if any */
export function startReaper(folder: string | null): Reaper {
  const child = spawn('/bin/sh', ['-c', script, 'sh', folder ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Ctrl-C at a terminal is for the test.
    detached: true,
  });
  child.unref();
  child.stdin.on('error', () => undefined);
  return {
    note: (name, pid) => void child.stdin.write(`${name} ${pid ?? ''}\n`),
    close: () => void child.stdin.end('done\n'),
  };
}
