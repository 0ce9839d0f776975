import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Gpio as OnoffGpio } from 'onoff';
import type { GpioLines, GpioPort, InputLine, OutputLine } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';
import { checkLines } from './line-plan.ts';

/**
 * Uses the old sysfs interface, through `onoff`, on kernels without the character device v2. For slow lines only:
 * sysfs signals that a level has changed, not each edge, and loses most bits of a Wiegand frame; so data lines are
 * refused.
 */

interface SysfsChip {
  /** The base number of the chip: 512 or so on current kernels, 0 on old ones. */
  readonly base: number;
  readonly lines: number;
}

const readText = (path: string): string => readFileSync(path, 'utf8').trim();

/**
 * Finds the chip with this label.
 * @throws {Fault} `gpioChipMissing`.
 */
export function findSysfsChip(label: string, root = '/sys/class/gpio'): SysfsChip {
  const found: string[] = [];
  const names = existsSync(root) ? readdirSync(root).filter((name) => name.startsWith('gpiochip')) : [];
  for (const name of names) {
    const chipLabel = readText(join(root, name, 'label'));
    if (chipLabel === label)
      return {
        base: Number(readText(join(root, name, 'base'))),
        lines: Number(readText(join(root, name, 'ngpio'))),
      };
    found.push(chipLabel);
  }
  const seen = found.length === 0 ? 'there is none' : `there are: ${found.join(', ')}`;
  throw new Fault('gpioChipMissing', `no GPIO chip labelled '${label}' in ${root}; ${seen}`);
}

/** @throws {Fault} `gpioDataLines` for a configuration with data lines. */
function refuseDataLines(lines: GpioLines): void {
  if (lines.data.length === 0) return;
  const offsets = lines.data.map((line) => line.offset).join(', ');
  throw new Fault(
    'gpioDataLines',
    `the sysfs port cannot read the data lines ${offsets}: sysfs loses Wiegand bits. Use port: cdev (kernel 5.10 or later), or move these readers to another bridge`,
  );
}

async function loadOnoff(): Promise<typeof OnoffGpio> {
  try {
    return (await import('onoff')).Gpio;
  } catch (cause) {
    throw new Fault(
      'gpioSysfsAddon',
      "the sysfs port needs onoff's native addon, which is not built here: run `npm rebuild epoll --ignore-scripts=false`, or use port: cdev",
      { cause },
    );
  }
}

/**
 * Outputs first, at their safe level; then the inputs. Edges carry this process's clock and a count of its own, since
 * sysfs has neither.
 * @throws {Fault} `gpioDataLines`, `gpioChipMissing`, `gpioSysfsAddon`, `gpioRequestRefused`.
 */
export async function openSysfsPort(
  label: string,
  lines: GpioLines,
  log: { warn(facts: object, message: string): void },
): Promise<GpioPort> {
  refuseDataLines(lines);
  const chip = findSysfsChip(label);
  checkLines(lines, chip.lines);
  const Gpio = await loadOnoff();
  log.warn(
    { chipLabel: label, base: chip.base },
    'GPIO by sysfs (deprecated): slow lines only, no bias, no kernel time; use the character device where there is one',
  );
  const open = new Map<number, OnoffGpio>();
  const request = (offset: number, make: (number: number) => OnoffGpio): OnoffGpio => {
    try {
      const gpio = make(chip.base + offset);
      open.set(offset, gpio);
      return gpio;
    } catch (cause) {
      throw new Fault('gpioRequestRefused', `sysfs refuses GPIO line ${offset} of '${label}'`, { cause });
    }
  };
  const outputs = lines.outputs.map((line) => ({
    line,
    gpio: request(line.offset, (number) => openOutput(Gpio, number, line)),
  }));
  let seqno = 0;
  const port: GpioPort = {
    kind: 'sysfs',
    onEdges: () => undefined,
    onSettled: () => undefined,
    onFault: () => undefined,
    read: (offset) => requested(open, offset).readSync(),
    write: (offset, level) => requested(open, offset).writeSync(level),
    close() {
      for (const { line, gpio } of outputs) gpio.writeSync(line.safeLevel);
      for (const gpio of open.values()) gpio.unexport();
      open.clear();
      return Promise.resolve();
    },
  };
  for (const line of lines.inputs) {
    const gpio = request(line.offset, (number) => openInput(Gpio, number, line));
    gpio.watch((error, value) => {
      if (error) {
        port.onFault(new Fault('gpioGone', `sysfs GPIO line ${line.offset} failed`, { cause: error }));
        return;
      }
      seqno = (seqno + 1) >>> 0;
      const timestampNs = process.hrtime.bigint();
      port.onEdges([{ timestampNs, offset: line.offset, rising: value === 1, seqno }], 0);
    });
  }
  return port;
}

function requested(open: ReadonlyMap<number, OnoffGpio>, offset: number): OnoffGpio {
  const gpio = open.get(offset);
  if (gpio === undefined) throw new Fault('gpioLineUnknown', `GPIO line ${offset} was not requested`);
  return gpio;
}

function openOutput(Gpio: typeof OnoffGpio, number: number, line: OutputLine): OnoffGpio {
  // `high` and `low` are voltages, given with the direction in one write; active-low does not apply to them.
  const isHigh = (line.safeLevel === 1) !== line.activeLow;
  return new Gpio(number, isHigh ? 'high' : 'low', 'none', { activeLow: line.activeLow });
}

function openInput(Gpio: typeof OnoffGpio, number: number, line: InputLine): OnoffGpio {
  return new Gpio(number, 'in', line.edges, {
    activeLow: line.activeLow,
    debounceTimeout: Math.ceil(line.debounceMicros / 1000),
  });
}
