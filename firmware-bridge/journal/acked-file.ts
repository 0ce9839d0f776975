import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeFileDurably } from '#hub/platform/files/durable-file.ts';

const ackedSchema = z.strictObject({ journalId: z.uuid(), seq: z.number().int().min(0) });
/** The last event of a journal that the hub holds. */
export type Acked = z.infer<typeof ackedSchema>;

/** Reads the last acknowledgement written; null if unknown, which only keeps old entries longer. */
export function readAcked(file: string): Acked | null {
  try {
    return ackedSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}

export const writeAcked = (file: string, acked: Acked): Promise<void> =>
  writeFileDurably(file, JSON.stringify(acked));
