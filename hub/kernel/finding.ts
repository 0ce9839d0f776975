import { z } from 'zod';

/** Something that is not as it should be: the same shape at the bridge, in the UI, in `doctor` and in the health report. */
export const findingSchema = z.strictObject({
  /** Stable and unique among what is found now: `disk.low`, `bridge.offline:<id>`. */
  id: z.string().max(100),
  severity: z.enum(['info', 'warning', 'error']),
  /** Observation, with figures and units. */
  evidence: z.string().max(500),
  /** Steps for a person to fix it. */
  fix: z.string().max(500),
});
export type Finding = z.infer<typeof findingSchema>;
