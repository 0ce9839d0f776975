import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { makePrivateDirectory, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import { demoSizes } from './sizes.ts';

const markerSchema = z.strictObject({
  size: z.enum(['small', 'large']),
  seed: z.number().int(),
  /** `filling`: it was begun, and is complete only when the file says so. */
  state: z.enum(['filling', 'complete']),
});
/** Contents of `demo.json` in a state directory that holds only a demo. */
export type DemoMarker = z.infer<typeof markerSchema>;

export const isDemoSize = (text: string): text is keyof typeof demoSizes => Object.hasOwn(demoSizes, text);

const fileIn = (stateDir: string): string => path.join(stateDir, 'demo.json');

/** Null where no demo was ever begun. */
export async function readDemoMarker(stateDir: string): Promise<DemoMarker | null> {
  const text = await readFile(fileIn(stateDir), 'utf8').catch(() => null);
  return text === null ? null : markerSchema.parse(JSON.parse(text));
}

export async function writeDemoMarker(stateDir: string, marker: DemoMarker): Promise<void> {
  await makePrivateDirectory(stateDir);
  await writeFileDurably(fileIn(stateDir), Buffer.from(`${JSON.stringify(marker)}\n`), 0o600);
}
