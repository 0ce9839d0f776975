import { z } from 'zod';
import type { GpioLines, GpioPort } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';
import { closeChip, openChip } from './cdev.ts';
import { openCdevPort } from './cdev-port.ts';
import { openFakePort } from './fake-port.ts';
import { openSysfsPort } from './sysfs-port.ts';

/** Labels of the header's chip: Pi 5, Pi 4, older. Numbers (gpiochip0 ..) differ from boot to boot. */
const knownChipLabels = ['pinctrl-rp1', 'pinctrl-bcm2711', 'pinctrl-bcm2835'] as const;

/** The GPIO that the bridge uses. */
export const gpioConfigSchema = z.strictObject({
  /** `auto`: the character device if there is a known chip, else the simulation if that is allowed. */
  port: z.enum(['auto', 'cdev', 'sysfs', 'fake']).default('auto'),
  /** The chip's label as `gpiodetect` shows it; null: the known labels of a Raspberry Pi. */
  chipLabel: z.string().min(1).max(31).nullable().default(null),
  /** Without a chip, run on simulated lines. Never set it on a real door. */
  allowSimulation: z.boolean().default(false),
});
export type GpioConfig = z.infer<typeof gpioConfigSchema>;

/** The part of a pino logger that ports use. */
interface GpioLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface GpioPortDeps {
  /** Folder of the simulated lines; used by the fake port only. */
  readonly simulationDir: string;
  readonly log: GpioLog;
}

/**
 * Opens the configured port. Outputs are at their safe level before anything else happens. Set `onEdges`, `onSettled`
 * and `onFault` before the next turn of the event loop.
 * @throws {Fault} `gpioChipMissing` when no chip is there and simulation is not allowed; those of the ports.
 */
export async function openGpioPort(
  config: GpioConfig,
  lines: GpioLines,
  deps: GpioPortDeps,
): Promise<GpioPort> {
  const labels = config.chipLabel === null ? knownChipLabels : [config.chipLabel];
  if (config.port === 'fake') return openSimulation(lines, deps, 'configured');
  if (config.port === 'sysfs') return openSysfsPort(presentOr(labels), lines, deps.log);
  const label = presentLabel(labels);
  if (label !== null) {
    deps.log.info({ chipLabel: label }, 'GPIO by character device');
    return openCdevPort(label, lines);
  }
  if (config.port === 'auto' && config.allowSimulation) return openSimulation(lines, deps, 'no GPIO chip');
  // Reports the labels there are, or the missing right.
  return openCdevPort(presentOr(labels), lines);
}

function openSimulation(lines: GpioLines, deps: GpioPortDeps, reason: string): Promise<GpioPort> {
  deps.log.warn(
    { reason, dir: deps.simulationDir },
    'SIMULATED GPIO: no door, lock or reader is connected; anybody who can write to this folder can tap',
  );
  return openFakePort(deps.simulationDir, lines);
}

/** Finds the first of the labels with a chip; null: none. Other faults are thrown. */
function presentLabel(labels: readonly string[]): string | null {
  for (const label of labels) {
    try {
      closeChip(openChip(label));
      return label;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'gpioChipMissing') throw error;
    }
  }
  return null;
}

const presentOr = (labels: readonly string[]): string => labels[0] ?? knownChipLabels[0];
