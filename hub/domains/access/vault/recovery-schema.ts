import { z } from 'zod';

export const recoveryStateSchema = z
  .strictObject({
    madeAt: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'When the newest recovery sheet was made; null: none was' }),
    fits: z.boolean().nullable().meta({
      description:
        'Whether the sheet unlocks what is sealed now; false once the key of the cards was lost and made anew; null without a sheet',
    }),
    sealedCards: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'Cards and PINs that the recovery code brings back on a new box' }),
    complete: z.boolean().meta({ description: 'false for as long as cards are still being sealed' }),
  })
  .meta({ id: 'RecoveryState' });
export type RecoveryState = z.infer<typeof recoveryStateSchema>;

export const recoverySheetSchema = z
  .strictObject({
    recoveryCode: z.string().meta({
      description: 'Shown this once and stored nowhere',
      examples: ['7ZQ4-M2KD-80XW-PR5T-3NVE-H6J1-C9BY-GA2S'],
    }),
    madeAt: z.iso.datetime(),
    siteName: z.string().nullable().meta({ description: 'null before the hub has an owner' }),
    parts: z
      .array(z.strictObject({ title: z.string(), text: z.string() }))
      .meta({ description: 'What stands on the sheet beside the code' }),
  })
  .meta({ id: 'RecoverySheet' });
export type RecoverySheet = z.infer<typeof recoverySheetSchema>;

export const recoveryCheckSchema = z
  .strictObject({ recoveryCode: z.string().min(1).max(200) })
  .meta({ examples: [{ recoveryCode: '7ZQ4-M2KD-80XW-PR5T-3NVE-H6J1-C9BY-GA2S' }] });
export const recoveryCheckedSchema = z.strictObject({
  madeAt: z.iso.datetime().meta({ description: 'When this sheet was made' }),
  fits: z
    .boolean()
    .meta({ description: 'false: the key of the cards is another one since; make a new sheet' }),
});
export type RecoveryChecked = z.infer<typeof recoveryCheckedSchema>;
