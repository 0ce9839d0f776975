import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { callControlSocket } from '#hub/cli/control-socket.ts';
import { until } from '#tests/_support/until.ts';
import { HealthWatch } from '../../scripts/health-watch.ts';
import { Service, type ServiceOptions, stopServices } from '../../scripts/service.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'mc-service-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

/** Runs `program` under the start script's supervision, with short pauses. */
function supervise(program: string, more: Partial<ServiceOptions> = {}) {
  const said: string[] = [];
  const service = new Service({
    name: 'part',
    args: ['-e', program],
    cwd: folder,
    env: process.env,
    logFile: path.join(folder, 'part.log'),
    say: (line) => said.push(line),
    firstPauseMs: 1,
    maxPauseMs: 4,
    ...more,
  });
  onTestFinished(() => stopServices([service], { orderMs: 0, allMs: 0 }));
  return { service, said };
}

describe('a service of the start script', () => {
  it('is started again for ever, whatever it ends with, and its last words are shown', async () => {
    const { service, said } = supervise('console.log("no room left"); process.exit(7)');
    await service.start();
    await until('many starts', () => service.starts >= 6);
    await until('its words', () => said.includes('no room left'));
    expect(said.find((line) => line.includes('starting it again'))).toContain('The part ended (7)');
  });

  it('waits the longest pause when its configuration is wrong', async () => {
    const { service, said } = supervise('process.exit(78)', { maxPauseMs: 600_000 });
    await service.start();
    await until('its end', () => said.some((line) => line.includes('starting it again in 600 s')));
    expect(service.starts).toBe(1);
  });

  it('runs without a log where no file can be made', async () => {
    const mark = path.join(folder, 'mark');
    const { service } = supervise(`require('fs').writeFileSync('${mark}', ''); setInterval(() => {}, 1000)`, {
      logFile: path.join(folder, 'missing/part.log'),
    });
    await service.start();
    await until('it to run', () => existsSync(mark));
  });

  it('keeps the log of the run before, once, however often it ends', async () => {
    writeFileSync(path.join(folder, 'part.log'), 'yesterday\n');
    const { service } = supervise('console.log("today")');
    await service.start();
    await until('several starts', () => service.starts >= 3);
    expect(readFileSync(path.join(folder, 'part.log.1'), 'utf8')).toBe('yesterday\n');
  });

  it('ends with all others in time, even where one does not listen', async () => {
    const mark = path.join(folder, 'mark');
    const deaf = supervise(
      `process.on('SIGTERM', () => {}); require('fs').writeFileSync('${mark}', ''); setInterval(() => {}, 1000)`,
    ).service;
    const { service } = supervise('setInterval(() => {}, 1000)');
    await Promise.all([deaf.start(), service.start()]);
    await until('it to run', () => existsSync(mark));
    await stopServices([deaf, service], { orderMs: 50, allMs: 100 });
    expect([deaf.pid, service.pid]).toEqual([undefined, undefined]);
    expect([deaf.starts, service.starts]).toEqual([1, 1]);
  });

  it('is ended and started again when it hangs, and left alone while it answers', async () => {
    const socket = path.join(folder, 'part.sock');
    const { service, said } = supervise(
      `require('fs').rmSync('${socket}', { force: true });
       require('http').createServer((_, answer) => answer.writeHead(503).end('{}')).listen('${socket}')`,
    );
    await service.start();
    let answers = 0;
    const ask = async () => {
      await callControlSocket(socket, 'GET', '/health');
      answers += 1;
    };
    const watch = new HealthWatch({
      service,
      ask,
      say: (line) => said.push(line),
      everyMs: 5,
      answerMs: 100,
    });
    onTestFinished(() => watch.stop());
    await until('answers', () => answers > 5);
    expect(service.starts).toBe(1);
    process.kill(service.pid ?? -1, 'SIGSTOP');
    await until('the next one', () => service.starts === 2);
    const before = answers;
    await until('its answers', () => answers > before);
    expect(said).toContain('The hub does not answer any more: ending it, so that it starts again.');
  });
});
