import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GpioPortDeps, openGpioPort } from '#bridge/gpio/port.ts';
import { findSysfsChip } from '#bridge/gpio/sysfs-port.ts';
import type { GpioLines } from '#bridge/ports.ts';
import { contactLine, dataLine, makeSimDir, outputLine, removeSimDir } from './simulation.ts';

const lines: GpioLines = { data: [dataLine(5), dataLine(6)], inputs: [], outputs: [outputLine(20, 0)] };
/** No machine that runs these tests has such a chip. */
const chipLabel = 'no-such-chip';

let dir = '';
const warnings: string[] = [];
beforeEach(() => {
  dir = makeSimDir();
  warnings.length = 0;
});
afterEach(() => removeSimDir(dir));

const deps = (): GpioPortDeps => ({
  simulationDir: join(dir, 'sim'),
  log: { info: () => undefined, warn: (_facts, message) => warnings.push(message) },
});

test('without a chip, and only where it is allowed, the port is simulated and says so loudly', async () => {
  const port = await openGpioPort({ port: 'auto', chipLabel, allowSimulation: true }, lines, deps());
  expect(port.kind).toBe('fake');
  await port.close();
  expect(warnings).toEqual([expect.stringMatching(/^SIMULATED GPIO/)]);
});

test('without a chip and without leave to simulate it refuses, naming the chip and the next step', async () => {
  const opening = openGpioPort({ port: 'auto', chipLabel, allowSimulation: false }, lines, deps());
  await expect(opening).rejects.toMatchObject({
    code: 'gpioChipMissing',
    message: expect.stringMatching(/'no-such-chip'.*configuration/),
  });
});

test('a configured character device never falls back to simulation', async () => {
  const opening = openGpioPort({ port: 'cdev', chipLabel, allowSimulation: true }, lines, deps());
  await expect(opening).rejects.toMatchObject({ code: 'gpioChipMissing' });
  expect(warnings).toEqual([]);
});

test('sysfs refuses data lines, because it loses bits', async () => {
  const opening = openGpioPort({ port: 'sysfs', chipLabel, allowSimulation: false }, lines, deps());
  await expect(opening).rejects.toMatchObject({
    code: 'gpioDataLines',
    message: expect.stringContaining('data lines 5, 6'),
  });
});

test('sysfs without the chip says what is there instead', async () => {
  const slow: GpioLines = { data: [], inputs: [contactLine(7)], outputs: [] };
  const opening = openGpioPort({ port: 'sysfs', chipLabel, allowSimulation: false }, slow, deps());
  await expect(opening).rejects.toMatchObject({ code: 'gpioChipMissing' });
});

test('the sysfs base of a chip is found by its label', () => {
  for (const [name, label, base, ngpio] of [
    ['gpiochip512', 'pinctrl-bcm2711', 512, 58],
    ['gpiochip570', 'raspberrypi-exp-gpio', 570, 8],
  ] as const) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'label'), `${label}\n`);
    writeFileSync(join(dir, name, 'base'), `${base}\n`);
    writeFileSync(join(dir, name, 'ngpio'), `${ngpio}\n`);
  }
  expect(findSysfsChip('pinctrl-bcm2711', dir)).toEqual({ base: 512, lines: 58 });
  expect(() => findSysfsChip('pinctrl-rp1', dir)).toThrow(/pinctrl-bcm2711, raspberrypi-exp-gpio/);
});
