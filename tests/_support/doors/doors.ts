import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hexToBits, parseCardText } from '#hub/domains/access/cards/format-rules.ts';
import type { Portal } from '#hub/domains/access/doors/schema.ts';
import type { PortalSettings } from '#hub/domains/access/schema.ts';
import type { Appliance } from '../appliance.ts';
import { until } from '../until.ts';

/** The bits that a reader sends of a card, as text: `cardBits('123:4567')`. */
export function cardBits(card: string): string {
  const parsed = parseCardText(card);
  if (!parsed.ok) throw new Error(`${card} is not a card`);
  return hexToBits(parsed.value.hex, parsed.value.bits).join('');
}

/** The level that the bridge drives an output of the simulated chip to. */
export const simulatedLevel = (appliance: Appliance, line: number): number =>
  readFileSync(path.join(appliance.simulationDir, 'lines'))[line] ?? -1;

export const untilLevel = (appliance: Appliance, line: number, level: 0 | 1): Promise<true> =>
  until(`line ${line} to be ${level}`, () => simulatedLevel(appliance, line) === level);

/** Changes settings of a door, and waits until the bridge has them. */
export async function setDoor(
  appliance: Appliance,
  portalKey: string,
  settings: Partial<PortalSettings>,
): Promise<void> {
  const { items } = await appliance.ask('GET', '/api/access-control/portals');
  const portal = (items as Portal[]).find(({ key }) => key === portalKey);
  if (portal === undefined) throw new Error(`there is no door ${portalKey}`);
  await appliance.ask('PATCH', `/api/access-control/portals/${portal.id}`, {
    version: portal.version,
    settings,
  });
  await appliance.untilApplied();
}
