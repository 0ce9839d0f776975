import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { pageShape } from '#hub/kernel/wire.ts';

const activityKinds = ['member', 'membership', 'hold', 'card', 'access'] as const;
const activityKindSchema = z.enum(activityKinds).meta({ description: 'What the entry is about' });
export type ActivityKind = z.infer<typeof activityKindSchema>;

export const activityQuerySchema = z.strictObject({ limit: pageShape.limit, cursor: pageShape.cursor });
export const memberActivitySchema = z.strictObject({
  id: idSchema,
  at: z.iso.datetime().meta({
    description: 'When it happened, by the clock of the door; when it was received, where that had no clock',
  }),
  kind: activityKindSchema,
  action: z
    .string()
    .meta({ description: 'As in the audit log (`hold.place`), or the kind of event at a door (`denied`)' }),
  summary: z.string().meta({ description: 'In one sentence' }),
  by: z.string().nullable().meta({
    description: 'Who did it, a name or `the hub itself`; null: the member at a door, or no longer known',
  }),
  observed: z
    .boolean()
    .meta({ description: 'At a door that only observes: nothing was moved. Elsewhere false' }),
  subjectId: idSchema.meta({ description: 'The membership, hold, card or access event; else the member' }),
});
export type MemberActivity = z.infer<typeof memberActivitySchema>;
