import { z } from 'zod';

/** `device.json`, written when the bridge is paired: its id at the hub, and its token. */
export const deviceSchema = z.strictObject({
  bridgeId: z.uuid(),
  token: z.string().min(1).max(512),
});
export type Device = z.infer<typeof deviceSchema>;
