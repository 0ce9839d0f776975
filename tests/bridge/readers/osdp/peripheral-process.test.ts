import { once } from 'node:events';
import { constants, createReadStream, existsSync, openSync, writeSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BusProcess } from '#tests/_support/osdp/bus-process-client.ts';
import { until } from '#tests/_support/until.ts';

const poll0 = '530008000460ebaa';
const ack0 = '53800800044059ac';
const poll1 = '530008000560da99';
const rawReply = '53801000055000011a006caaf0c091c4';
const greenFor5s = '5300150002690000020a00020032000000000000ed';
const busy = '538007000079ad';
const ack2Sum = '538007000240e4';

it('is a reader behind a real pty that takes orders, reports, and leaves nothing behind', async () => {
  const bus = await BusProcess.start({
    baudRate: 115_200,
    showCommands: true,
    peripherals: [{ address: 0 }],
  });
  const fd = openSync(bus.link, constants.O_RDWR | constants.O_NOCTTY);
  const input = createReadStream(bus.link, { fd });
  let heard = '';
  input.on('data', (bytes) => {
    heard += bytes.toString('hex');
  });
  const closed = once(input, 'error');
  const say = (hex: string): number => writeSync(fd, Buffer.from(hex, 'hex'));

  say(poll0);
  await until('ACK', () => heard === ack0);
  await bus.order({ card: { bits: '01101100101010101111000011', format: 1 } });
  say(poll1);
  await until('the card', () => heard === ack0 + rawReply);

  await bus.order({ fault: { address: 0, what: { kind: 'busy' } } });
  heard = '';
  say(greenFor5s);
  await until('BUSY', () => heard === busy);
  expect(bus.lines.filter((line) => 'led' in line)).toEqual([]);
  say(greenFor5s);
  await until('ACK', () => heard === busy + ack2Sum);
  const led = await bus.line('led');
  expect(led).toMatchObject({ address: 0, led: { temporary: { code: 2, onColor: 2, timer: 50 } } });
  await expect(bus.order({ keys: { address: 7, keys: '1' } })).rejects.toThrow('no peripheral');

  expect(await bus.stop()).toBe(0);
  await closed;
  expect(existsSync(bus.link)).toBe(false);
});
