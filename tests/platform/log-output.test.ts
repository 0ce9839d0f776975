import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LogOutput } from '#hub/platform/log-output.ts';
import { mountSmallDisk } from '#tests/_support/crash/small-disk.ts';
import { until } from '#tests/_support/until.ts';

const root = path.resolve(import.meta.dirname, '../..');
const gapLine = (lines: number): string => `${lines} missing`;

function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-log-output-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const program = `
  const { LogOutput } = await import('${root}/hub/platform/log-output.ts');
  const output = new LogOutput();
  const line = 'a line of the log that is fifty characters long..\\n';
  const look = setInterval(() => {
    for (let n = 0; n < 20000; n += 1) output.write(line);
    if (output.lostLines === 0) return;
    clearInterval(look);
    process.stderr.write('lost some\\n');
    // As a fatal error and the end of a process do.
    output.flushSync();
    process.exit(0);
  }, 1);`;
const args = ['--input-type=module', '-e', program];

/** Runs a process that logs until it loses lines and then ends. */
async function untilEnd(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  await new Promise((resolve) => child.once('exit', resolve));
  return said;
}
const underShell = (command: string): Promise<string> =>
  untilEnd(
    spawn('sh', ['-c', command], {
      env: { ...process.env, PROGRAM: program, NODE: process.execPath },
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
const node = '"$NODE" --input-type=module -e "$PROGRAM"';

describe('where log lines leave the process', () => {
  it('drops and counts lines on a full disk, and says in the log how many are missing', async () => {
    const folder = makeFolder();
    const disk = mountSmallDisk(folder, 256, 'a log on a full disk');
    if (disk === null) return;
    onTestFinished(() => disk.unmount());
    const file = path.join(folder, 'log');
    const output = new LogOutput({ fd: openSync(file, 'a'), gapLine });
    output.write('first\n');
    await until('the first line', () => readFileSync(file, 'utf8') === 'first\n');
    disk.fill();
    // The last page of the file has room for some of it: the line is torn there.
    output.write(`${'x'.repeat(10_000)}\n`);
    await until('a loss', () => output.lostLines === 1);
    output.write('lost too\n');
    await until('another loss', () => output.lostLines === 2);
    output.flushSync();
    expect(output.lostLines).toBe(2);
    disk.free();
    output.write('last\n');
    await until('the last line', () => readFileSync(file, 'utf8').endsWith('last\n'));
    const lines = readFileSync(file, 'utf8').split('\n');
    expect([lines[0], ...lines.slice(2)]).toEqual(['first', '2 missing', 'last', '']);
    expect(lines[1]).toMatch(/^x+$/);
    expect(output.lostLines).toBe(2);
  });

  it('neither waits for a pipe that nobody reads nor keeps more than its bound', async () => {
    const folder = makeFolder();
    // The reader ends when the writer has, and not before.
    expect(await underShell(`mkfifo ${folder}/p; exec 3<>${folder}/p; ${node} >${folder}/p`)).toBe(
      'lost some\n',
    );
  });

  it('goes on when the reader of its pipe is gone', async () => {
    expect(await underShell(`${node} | true`)).toBe('lost some\n');
  });

  it('goes on when a socket, such as that of the journal, is not read', async () => {
    // Node gives its children sockets; nothing reads this one.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pause();
    expect(await untilEnd(child)).toBe('lost some\n');
  });

  it('writes what waits at the end of the process', () => {
    const file = path.join(makeFolder(), 'log');
    const output = new LogOutput({ fd: openSync(file, 'a'), isBuffered: true });
    output.write('one\n');
    output.write('two\n');
    expect(readFileSync(file, 'utf8')).toBe('');
    output.flushSync();
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
  });
});
