import { z } from 'zod';
import type { SerialReaderKind } from '../kind.ts';
import { serialPortSchema } from '../port-schema.ts';
import { osdpBaudRates } from './baud-rates.ts';

const lastAddress = 126;

/** One OSDP reader in `bridge.yaml`. Readers with the same `port` share a bus, its speed and its check. */
export const osdpConfigSchema = z.strictObject({
  kind: z.literal('osdp'),
  /** The serial device, by a stable name: `/dev/serial/by-id/...`. */
  port: serialPortSchema,
  baudRate: z.literal(osdpBaudRates).default(9600),
  /** 127 is the broadcast address. */
  address: z.number().int().min(0).max(lastAddress),
  /** `off` only for a reader without one: then anybody at the cable can pretend to be any card. */
  secureChannel: z.enum(['required', 'off']).default('required'),
  /** The lamp of the reader that shows the door's state. */
  ledNumber: z.number().int().min(0).max(7).default(0),
  /** Takes cards and keys that the reader seals but does not encrypt: whoever is at the cable can read them. */
  openCards: z.boolean().default(false),
  /** Off for old readers that know the one-byte checksum only. */
  crc: z.boolean().default(true),
});
export type OsdpConfig = z.infer<typeof osdpConfigSchema>;

export const osdp = {
  connection: 'serial',
  schema: osdpConfigSchema,
  shownAs: 'osdp',
  bus: {
    title: 'OSDP',
    address: ({ address }) => address,
    mismatch: (config, first) =>
      config.baudRate === first.baudRate && config.crc === first.crc
        ? null
        : { field: 'baudRate', others: 'crc' },
  },
  hasSignals: true,
  keypad: () => 'keys',
  isPairable: ({ secureChannel }) => secureChannel === 'required',
  async open(setups, hooks, clock) {
    const { openOsdpPort } = await import('./driver.ts');
    return openOsdpPort(setups, hooks, clock);
  },
} as const satisfies SerialReaderKind<OsdpConfig>;
