import { z } from 'zod';
import { serialPortSchema } from '../port-schema.ts';

/** Speeds that OSDP 2.2 (5.2) names. */
export const osdpBaudRates = [9600, 19_200, 38_400, 57_600, 115_200, 230_400] as const;
export const lastAddress = 126;

/** One OSDP reader in the bridge's configuration. Readers with the same `port` share a bus, its speed and its check. */
export const osdpConfigSchema = z.strictObject({
  kind: z.literal('osdp'),
  /** The serial device, by a name that stays: `/dev/serial/by-id/...`. */
  port: serialPortSchema,
  baudRate: z.literal(osdpBaudRates).default(9600),
  /** 127 is everybody. */
  address: z.number().int().min(0).max(lastAddress),
  /** `off` only for a reader that has none: then everybody at the cable can be any card. */
  secureChannel: z.enum(['required', 'off']).default('required'),
  /** Which lamp of the reader shows the door's state. */
  ledNumber: z.number().int().min(0).max(7).default(0),
  /** Off for old readers that know the one-byte checksum only. */
  crc: z.boolean().default(true),
});
export type OsdpConfig = z.infer<typeof osdpConfigSchema>;
