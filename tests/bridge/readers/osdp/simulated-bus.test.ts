import { describe, expect, it } from 'vitest';
import { type BusOptions, BusSimulator } from '#tests/_support/osdp/bus-simulator.ts';
import { SimulatedPeripheral } from '#tests/_support/osdp/peripheral.ts';
import { VirtualClock } from '#tests/_support/osdp/virtual-clock.ts';

const pollTo0 = '530008000460ebaa';
const ackOf0 = '53800800044059ac';
const pollTo1Sum = '53010700006045';
const ackOf1Sum = '538107000040e5';
const comsetTo5At19200 = '53000c00006e05004b0000e3';
const comReply = '53800c00005405004b00007d';
const byteMs = 10_000 / 9600;

function line(options: Partial<BusOptions> = {}) {
  const clock = new VirtualClock();
  const peripherals = [0, 1].map((address) => new SimulatedPeripheral({ address, now: clock.now }));
  const heard: { atMs: number; hex: string }[] = [];
  const bus = new BusSimulator({
    clock,
    peripherals,
    deliver: (bytes) => heard.push({ atMs: clock.now(), hex: Buffer.from(bytes).toString('hex') }),
    ...options,
  });
  const say = (hex: string): void => bus.write(Uint8Array.from(Buffer.from(hex, 'hex')));
  const all = (): string => heard.map((one) => one.hex).join('');
  return { clock, bus, zero: peripherals[0]!, one: peripherals[1]!, heard, say, all };
}

describe('the simulated RS-485 line', () => {
  it('answers after the command, the turn-around, and byte by byte at its rate', () => {
    const { clock, heard, say, all } = line();
    say(pollTo0);
    clock.advance(1000);
    expect(all()).toBe(ackOf0);
    expect(heard).toHaveLength(8);
    expect(heard[0]!.atMs).toBeCloseTo(9 * byteMs + 2, 6);
    expect(heard[7]!.atMs).toBeCloseTo(16 * byteMs + 2, 6);
  });

  it('delivers in chunks when asked, the last one as soon as it is whole', () => {
    const { clock, heard, say } = line({ chunkBytes: 5, turnAroundMs: 0 });
    say(pollTo0);
    clock.advance(1000);
    expect(heard.map((one) => one.hex)).toEqual([ackOf0.slice(0, 10), ackOf0.slice(10)]);
    expect(heard[1]!.atMs).toBeCloseTo(16 * byteMs, 6);
  });

  it('keeps a late reply and the next one apart, each whole', () => {
    const { clock, zero, bus, say, all } = line();
    zero.faults.add({ kind: 'late', ms: 20 });
    say(pollTo0);
    clock.advance(32);
    say(pollTo1Sum);
    expect(bus.overlaps).toBe(1);
    clock.advance(1000);
    expect(all()).toBe(ackOf0 + ackOf1Sum);
  });

  it('waits with a late reply while a command is on the line', () => {
    const { clock, zero, bus, say, all } = line();
    zero.faults.add({ kind: 'late', ms: 20 });
    say(pollTo0);
    clock.advance(28);
    say(pollTo1Sum);
    clock.advance(1000);
    expect(bus.overlaps).toBe(0);
    expect(all()).toBe(ackOf0 + ackOf1Sum);
  });

  it('sends a doubled reply one after the other', () => {
    const { clock, zero, heard, say, all } = line({ chunkBytes: 100 });
    zero.faults.add({ kind: 'twice' });
    say(pollTo0);
    clock.advance(1000);
    expect(all()).toBe(ackOf0 + ackOf0);
    expect(heard[1]!.atMs - heard[0]!.atMs).toBeCloseTo(8 * byteMs, 6);
  });

  it('is heard only at the right rate, finds a frame after noise, and gives up one with a pause in it', () => {
    const { clock, bus, zero, say, all } = line();
    zero.baudRate = 19_200;
    say(pollTo0);
    clock.advance(100);
    expect(all()).toBe('');
    bus.baudRate = 19_200;
    say(`00ff53ffff${pollTo0}`);
    clock.advance(100);
    expect(all()).toBe(ackOf0);
    say(pollTo0.slice(0, 8));
    clock.advance(100);
    say(pollTo0);
    clock.advance(100);
    expect(all()).toBe(ackOf0 + ackOf0);
  });

  it('breaks off where a peripheral dies, while the other goes on', () => {
    const { clock, zero, say, all } = line();
    say(pollTo0);
    clock.advance(8 * byteMs + 2 + 3.5 * byteMs);
    zero.die();
    clock.advance(100);
    expect(all()).toBe(ackOf0.slice(0, 6));
    say(pollTo0);
    clock.advance(100);
    say(pollTo1Sum);
    clock.advance(100);
    expect(all()).toBe(ackOf0.slice(0, 6) + ackOf1Sum);
    zero.revive();
    say(pollTo0);
    clock.advance(100);
    expect(all()).toBe(ackOf0.slice(0, 6) + ackOf1Sum + ackOf0);
  });

  it('moves to the address and rate of COMSET after it has answered from the old ones', () => {
    const { clock, zero, say, all } = line();
    say(comsetTo5At19200);
    clock.advance(100);
    expect(all()).toBe(comReply);
    expect([zero.address, zero.baudRate]).toEqual([5, 19_200]);
  });
});
