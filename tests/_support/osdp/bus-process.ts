/**
 * OSDP peripherals behind a real pty, as a process: `node bus-process.ts '{"link":"/tmp/x/osdp","peripherals":[{}]}'`.
 * Orders come as JSON lines on stdin, reports go as JSON lines to stdout; it ends when stdin ends.
 * An order's answer says when it was carried out (`atNs`, CLOCK_MONOTONIC).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, createReadStream, createWriteStream, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type BusConfig, type BusOrder, busConfigSchema, busOrderSchema } from './bus-orders.ts';
import { BusSimulator, realBusClock } from './bus-simulator.ts';
import { SimulatedPeripheral } from './peripheral.ts';

const print = (line: unknown): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

/** socat's pair of ptys; ready when it has made both links. */
async function makeLine(link: string): Promise<ChildProcess> {
  const end = (path: string): string => `pty,raw,echo=0,link=${path}`;
  const child = spawn('socat', ['-d', '-d', end(link), end(`${link}.pd`)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(child, 'spawn');
  const lines = createInterface({ input: child.stderr });
  const said: string[] = [];
  for await (const line of lines) {
    said.push(line);
    if (line.includes('starting data transfer loop')) {
      child.stderr.resume();
      return child;
    }
  }
  throw new Error(`socat made no line: ${said.join('; ')}`);
}

function follow(bus: BusSimulator, order: BusOrder): void {
  const parsed = busOrderSchema.parse(order);
  const at = (address: number): SimulatedPeripheral => {
    const found = bus.peripherals.find((one) => one.address === address);
    if (found === undefined) throw new Error(`no peripheral has the address ${address}`);
    return found;
  };
  const { card, keys, tamper, powerFault, input, fault, clearFaults, power, useKey } = parsed;
  if (card) at(card.address).presentCard(card.bits, card.format, card.reader);
  if (keys) at(keys.address).pressKeys(keys.keys, keys.perReply);
  if (tamper) at(tamper.address).tamper(tamper.on);
  if (powerFault) at(powerFault.address).powerFault(powerFault.on);
  if (input) at(input.address).device.input(input.index, input.on);
  if (fault) at(fault.address).faults.add(fault.what);
  if (clearFaults) at(clearFaults.address).faults.clear();
  if (power?.to === 'off') at(power.address).die();
  if (power?.to === 'on') at(power.address).revive();
  if (power?.to === 'cycle') at(power.address).powerCycle();
  if (useKey) at(useKey.address).useKey(useKey.key);
  if (parsed.baudRate !== undefined) bus.baudRate = parsed.baudRate;
  if (parsed.turnAroundMs !== undefined) bus.turnAroundMs = parsed.turnAroundMs;
}

function makePeripherals(config: ReturnType<typeof busConfigSchema.parse>): SimulatedPeripheral[] {
  return config.peripherals.map((given) => {
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const peripheral: SimulatedPeripheral = new SimulatedPeripheral({
      baudRate: config.baudRate,
      ...set,
      now: realBusClock.now,
      report: (report) => {
        if ('command' in report && !config.showCommands) return;
        print({ address: peripheral.address, ...report });
      },
    });
    return peripheral;
  });
}

async function main(given: BusConfig): Promise<void> {
  const config = busConfigSchema.parse(given);
  const socat = await makeLine(config.link);
  const path = `${config.link}.pd`;
  // O_NOCTTY: the line must not become this process's terminal, whose hang-up would end it.
  const open = (mode: number): number => openSync(path, mode | constants.O_NOCTTY);
  const input = createReadStream(path, { fd: open(constants.O_RDWR) });
  const output = createWriteStream(path, { fd: open(constants.O_RDWR) });
  const bus = new BusSimulator({
    clock: realBusClock,
    peripherals: makePeripherals(config),
    deliver: (bytes) => output.write(bytes),
    baudRate: config.baudRate,
    interByteMs: config.interByteMs,
    ...(config.turnAroundMs === undefined ? {} : { turnAroundMs: config.turnAroundMs }),
    ...(config.chunkBytes === undefined ? {} : { chunkBytes: config.chunkBytes }),
  });
  input.on('data', (bytes) => bus.write(Uint8Array.from(Buffer.from(bytes))));
  // With socat gone both ends fail; that is how the blocked read ends.
  input.on('error', () => undefined);
  output.on('error', () => undefined);
  process.once('SIGTERM', () => socat.kill());
  socat.once('exit', () => {
    bus.stop();
    for (const end of [config.link, path]) rmSync(end, { force: true });
    process.exit(0);
  });
  print({ ready: { link: config.link } });

  let done = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    done++;
    try {
      follow(bus, JSON.parse(line));
      print({ done, atNs: String(process.hrtime.bigint()) });
    } catch (error) {
      print({ refused: done, why: String(error) });
    }
  }
  socat.kill();
}

await main(JSON.parse(process.argv[2] ?? '{}'));
