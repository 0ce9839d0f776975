import { z } from 'zod';
import { pinLength } from './rules.ts';

const pinSchema = z.string().regex(new RegExp(`^\\d{${String(pinLength.min)},${String(pinLength.max)}}$`), {
  error: `must be ${String(pinLength.min)} to ${String(pinLength.max)} digits`,
});

/** Sets or replaces. No answer ever says whether there is a duress PIN; left out, there is none from now on. */
export const pinSetSchema = z
  .strictObject({
    pin: pinSchema,
    duressPin: pinSchema.optional().meta({ description: 'Opens as the PIN does and raises a silent alarm' }),
  })
  .meta({ examples: [{ pin: '4711', duressPin: '2093' }] });
export type PinSet = z.infer<typeof pinSetSchema>;
