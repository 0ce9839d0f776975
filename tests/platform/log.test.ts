import { Writable } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import { createLog } from '#hub/platform/log.ts';

function logInto() {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  return { lines, log: createLog({ level: 'info', destination }) };
}

describe('the log', () => {
  it('writes JSON lines with level names, ISO times and the subsystem', () => {
    const { lines, log } = logInto();
    log.child({ subsystem: 'http' }).info({ memberId: 'm1' }, 'member created');
    expect(lines).toEqual([
      { level: 'info', time: expect.any(String), subsystem: 'http', memberId: 'm1', msg: 'member created' },
    ]);
    expect(new Date(String(lines[0]?.time)).toISOString()).toBe(lines[0]?.time);
  });

  it.each([
    'password',
    'newPassword',
    'token',
    'bridge_token',
    'Set-Cookie',
    'cookie',
    'Authorization',
    'x-csrf-token',
    'hex',
    'raw',
    'bits',
    'read',
    'cardNumber',
    'card',
    'facilityCode',
    'pin',
    'claimCode',
    'privateKey',
    'key',
  ])('replaces the value of `%s` wherever it stands', (name) => {
    const { lines, log } = logInto();
    const value = { [name]: 's3cr3t' };
    log.info(value, 'flat');
    log.info({ a: [{ b: value }] }, 'nested');
    log.child(value).warn('bound');
    log.error(Object.assign(new Error('failed'), { request: value }));
    log.error({ err: new Error('outer', { cause: Object.assign(new Error('inner'), value) }) });
    expect(lines).toHaveLength(5);
    expect(JSON.stringify(lines)).not.toContain('s3cr3t');
    for (const line of lines) expect(JSON.stringify(line)).toContain('[redacted]');
  });

  it('keeps what helps: ids, codes, counts and the chain of causes', () => {
    const { lines, log } = logInto();
    log.error(new Fault('diskFull', 'no space', { cause: new Error('ENOSPC') }));
    log.info({ credentialId: 'c1', code: 'memberUnknown', tokenId: 't', bytes: Buffer.from('abc') });
    expect(lines[0]).toMatchObject({
      err: { code: 'diskFull', message: 'no space', cause: { message: 'ENOSPC' } },
    });
    expect(lines[1]).toMatchObject({
      credentialId: 'c1',
      code: 'memberUnknown',
      tokenId: 't',
      bytes: '[3 bytes]',
    });
  });

  it('survives anything: circles, depth, huge values', () => {
    const { lines, log } = logInto();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    log.info(circle);
    log.info({ big: 'x'.repeat(100_000), many: Array.from({ length: 5000 }, (_, index) => index) });
    expect(JSON.stringify(lines[0])).toContain('[deeper]');
    expect(JSON.stringify(lines[1]).length).toBeLessThan(6000);
  });

  it('never prints a secret field, whatever the shape around it', () => {
    fc.assert(
      fc.property(
        fc.object({ maxDepth: 4 }),
        fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }),
        (around, path) => {
          const { lines, log } = logInto();
          let value: unknown = { accessToken: 'canary-7f3a' };
          for (const name of path) value = { [name]: value, ...around };
          log.info({ value });
          expect(JSON.stringify(lines)).not.toContain('canary-7f3a');
          expect(lines).toHaveLength(1);
        },
      ),
    );
  });
});
