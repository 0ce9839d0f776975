import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { boundLog } from '../../scripts/log-rotation.ts';
import { runCli, spawnCli } from './run-cli.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(path.join(tmpdir(), 'mc-log-'));
  mkdirSync(path.join(state, 'log'));
  return () => rmSync(state, { recursive: true, force: true });
});

const file = (name: string): string => path.join(state, 'log', name);
const line = (minute: number, level: string, msg: string, more: object = {}): string =>
  `${JSON.stringify({ level, time: `2026-11-23T10:${String(minute).padStart(2, '0')}:00.000Z`, ...more, msg })}\n`;
const logs = (...args: string[]) => runCli(['logs', '--state', state, ...args]);
const messages = (stdout: string): string[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((text) => /message \w+/.exec(text)?.[0].slice(8) ?? text);

describe('logs', () => {
  it('shows all services in order of time, older files first, in words', async () => {
    writeFileSync(file('hub.log.2'), line(1, 'info', 'message a', { subsystem: 'http', status: 200 }));
    writeFileSync(file('hub.log.1'), line(3, 'info', 'message c'));
    writeFileSync(file('hub.log'), line(5, 'error', 'message e'));
    writeFileSync(file('bridge.log'), line(2, 'info', 'message b') + line(4, 'warn', 'message d'));
    const { stdout, code } = await logs();
    expect(code).toBe(0);
    expect(messages(stdout)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(stdout.split('\n')[0]).toBe('2026-11-23 10:01:00.000Z INFO  hub/http message a status=200');
    expect(messages((await logs('bridge')).stdout)).toEqual(['b', 'd']);
    expect(messages((await logs('--lines', '2')).stdout)).toEqual(['d', 'e']);
    expect(messages((await logs('--level', 'warn')).stdout)).toEqual(['d', 'e']);
    // In any zone of the machine: what is printed is UTC, and so is what is asked for.
    for (const since of [
      '2026-11-23T10:03:00Z',
      '2026-11-23T10:03',
      '2026-11-23 10:03:00.000',
      '2026-11-23T11:03+01:00',
    ]) {
      const found = await runCli(['logs', '--state', state, '--since', since], { TZ: 'America/New_York' });
      expect(messages(found.stdout)).toEqual(['c', 'd', 'e']);
    }
  });

  it('prints lines for programs as they were written', async () => {
    const first = line(1, 'info', 'message a', { n: 1 });
    writeFileSync(file('hub.log'), `${first}Killed\n`);
    const { stdout } = await logs('--json');
    expect(stdout).toBe(`${first}${JSON.stringify({ service: 'hub', text: 'Killed' })}\n`);
  });

  it('shows the stack of an error and what a crash left, under the line before it', async () => {
    writeFileSync(
      file('hub.log'),
      line(1, 'error', 'message a', { err: { message: 'x', stack: 'Error: x\n    at f (f.ts:1:1)' } }) +
        'Error: last words\n    at g (g.ts:2:2)\n' +
        line(2, 'info', 'message b'),
    );
    const { stdout } = await logs('--level', 'error');
    expect(stdout).toContain('at f (f.ts:1:1)');
    expect(stdout).toContain('hub: Error: last words\nhub:     at g (g.ts:2:2)');
    expect(stdout).not.toContain('message b');
    expect((await logs('--since', '2026-11-23T10:02:00Z')).stdout).not.toContain('last words');
  });

  it('survives binary junk and endless lines, and sends no control characters to the terminal', async () => {
    const junk = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 37) % 256));
    writeFileSync(
      file('hub.log'),
      Buffer.concat([
        Buffer.from(line(1, 'info', 'message a')),
        Buffer.from('\u001B]0;owned\u0007\u001B[2J\n'),
        junk,
        Buffer.from(
          `\n${'x'.repeat(3_000_000)}\n{"level":"info","time":"not a time","msg":"\u001B[31mred"}\n`,
        ),
        Buffer.from(line(2, 'info', 'message b')),
      ]),
    );
    const { stdout, code } = await logs();
    expect(code).toBe(0);
    expect(stdout).toContain('message a');
    expect(stdout).toContain('message b');
    expect(stdout).not.toMatch(/(?![\n\t])\p{Cc}/u);
    expect(Math.max(...stdout.split('\n').map((text) => text.length))).toBeLessThan(70_000);
    const json = (await logs('--json')).stdout.trimEnd().split('\n');
    for (const text of json) expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it('follows what is written, also after the file was emptied', async () => {
    writeFileSync(file('hub.log'), line(1, 'info', 'message a'));
    const child = spawnCli(['logs', '--state', state, '--follow', 'hub']);
    const ended = new Promise((resolve) => child.once('close', resolve));
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const seen = () => expect.poll(() => messages(stdout), { timeout: 20_000 });
    await seen().toEqual(['a']);
    appendFileSync(file('hub.log'), line(2, 'info', 'message b').slice(0, 20));
    appendFileSync(file('hub.log'), line(2, 'info', 'message b').slice(20));
    await seen().toEqual(['a', 'b']);
    truncateSync(file('hub.log'));
    appendFileSync(file('hub.log'), line(3, 'info', 'message c'));
    await seen().toEqual(['a', 'b', 'c']);
    child.kill('SIGTERM');
    await ended;
    expect(child.exitCode).toBe(0);
  }, 60_000);

  it('reads the journal where systemd runs the hub', async () => {
    const bin = path.join(state, 'bin');
    mkdirSync(bin);
    writeFileSync(
      path.join(bin, 'journalctl'),
      `#!/bin/sh\necho '${line(1, 'info', 'message a', { asked: 1 }).trim()}'\necho "$@" >> ${state}/asked\n`,
      { mode: 0o755 },
    );
    const { stdout } = await runCli(['logs', 'hub', '--state', state, '--lines', '7'], {
      PATH: `${bin}:${process.env.PATH ?? ''}`,
    });
    expect(messages(stdout)).toEqual(['a']);
    const none = await runCli(['logs', 'hub', '--state', state], { PATH: '/nowhere' });
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('no journalctl');
  });

  it.each([
    ['--level', 'loud'],
    ['--since', 'yesterday'],
    ['--lines', '1000000'],
    ['printer', ''],
  ])('says how it is called when it is called wrong: %s %s', async (...args) => {
    const { code, stderr } = await logs(...args.filter((arg) => arg !== ''));
    expect(code).toBe(64);
    expect(stderr).toContain('Usage: makrcave-hub logs');
  });
});

describe('a log file of the start script', () => {
  it('is set aside when it has grown too large, twice, and is written on', async () => {
    writeFileSync(file('hub.log'), 'first '.repeat(20));
    expect(await boundLog(file('hub.log'), 1000)).toBe(false);
    expect(await boundLog(file('hub.log'), 100)).toBe(true);
    expect(statSync(file('hub.log')).size).toBe(0);
    appendFileSync(file('hub.log'), 'second '.repeat(20));
    expect(await boundLog(file('hub.log'), 100)).toBe(true);
    expect(statSync(file('hub.log.2')).size).toBe(120);
    expect(statSync(file('hub.log.1')).size).toBe(140);
  });
});
