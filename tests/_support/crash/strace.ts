import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { DiskCall } from './traced-disk.ts';

/** Whether this machine lets us trace system calls. */
export function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const traced =
  'openat,pwrite64,pwritev,write,writev,ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,msync';

export interface Trace {
  /** Ends the trace, not the process. */
  stop(): Promise<void>;
}

/** Traces the file calls of a running process and all its threads into `directory`; resolves when it sees them all. */
export async function traceProcess(pid: number, directory: string): Promise<Trace> {
  const options = ['-ff', '-ttt', '-T', '-y', '-xx', '-s', '10000000', '-e', `trace=${traced}`];
  const child = spawn('strace', [...options, '-o', path.join(directory, 'calls'), '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines = createInterface(child.stderr);
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      said.push(line);
      if (line.includes(' attached')) resolve();
    });
    child.once('exit', () => reject(new Error(`strace ended: ${said.join('\n')}`)));
  });
  return {
    async stop() {
      child.kill('SIGINT');
      await once(child, 'exit');
    },
  };
}

const linePattern = /^(\d+\.\d+) (\w+)\((.*)\)\s+= (-?\d+)(?:<[^>]*>)?.*<(\d+\.\d+)>$/;

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex');
const unhexText = (text: string): string => unhex(text).toString('utf8');

/** `3<\x2f...>` or `"\x2f..."`, anywhere in the arguments, in their order. */
const pathsIn = (args: string): string[] =>
  [...args.matchAll(/\d+<((?:\\x[0-9a-f]{2})+)>|"((?:\\x[0-9a-f]{2})*)"/g)].map((found) =>
    unhexText(found[1] ?? found[2] ?? ''),
  );

function actOf(name: string, args: string): DiskCall['act'] | null {
  const [first, second] = pathsIn(args);
  const numbers = args.split(', ').slice(1).map(Number);
  const last = numbers.at(-1) ?? Number.NaN;
  // Of the calls that name a file relative to a directory, ours always name it from the root.
  const named = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((found) => unhex(found[1] ?? ''));
  switch (name) {
    case 'openat':
      return args.includes('O_CREAT')
        ? { kind: 'create', path: named[0]?.toString() ?? '', truncates: args.includes('O_TRUNC') }
        : null;
    case 'pwrite64':
      return { kind: 'write', path: first ?? '', offset: last, bytes: named[0] ?? Buffer.alloc(0) };
    case 'write':
      return { kind: 'write', path: first ?? '', offset: null, bytes: named[0] ?? Buffer.alloc(0) };
    case 'ftruncate':
      return { kind: 'truncate', path: first ?? '', length: last };
    case 'rename':
      return { kind: 'rename', path: first ?? '', to: second ?? '' };
    case 'unlink':
      return { kind: 'unlink', path: first ?? '' };
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', path: first ?? '' };
    default:
      throw new Error(`a call that this trace does not follow: ${name}(${args.slice(0, 300)})`);
  }
}

/** The calls on files below `below`, in the order in which they ended; paths relative to it. */
export function readTrace(directory: string, below: string): DiskCall[] {
  const calls: DiskCall[] = [];
  const inside = Buffer.from(`${below}/`)
    .toString('hex')
    .replaceAll(/../g, (byte) => `\\x${byte}`);
  for (const file of readdirSync(directory)) {
    if (!file.startsWith('calls')) continue;
    for (const line of readFileSync(path.join(directory, file), 'latin1').split('\n')) {
      const found = line.includes(inside) ? linePattern.exec(line) : null;
      const [, start, name, args, result, took] = found ?? [];
      if (start === undefined || name === undefined || args === undefined || Number(result) < 0) continue;
      const act = actOf(name, args);
      if (act === null || !act.path.startsWith(`${below}/`)) continue;
      const startMs = Number(start) * 1000;
      const relative = (name_: string): string => path.relative(below, name_);
      calls.push({
        startMs,
        endMs: startMs + Number(took) * 1000,
        act: { ...act, path: relative(act.path), ...(act.kind === 'rename' ? { to: relative(act.to) } : {}) },
      });
    }
  }
  return calls.sort((left, right) => left.endMs - right.endMs);
}
