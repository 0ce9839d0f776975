import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import type { Logger } from '../log.ts';

/** One file each, so that a key and its certificate never part. */
export const serverFileSchema = z.strictObject({
  key: z.string(),
  cert: z.string(),
  dnsNames: z.array(z.string()),
  addresses: z.array(z.string()),
});
export const authorityFileSchema = z.strictObject({
  key: z.string(),
  cert: z.string(),
  name: z.string(),
  /** Name constraints of the authority: these names and everything below each. */
  dnsNames: z.array(z.string()),
});
export type ServerFile = z.infer<typeof serverFileSchema>;
export type AuthorityFile = z.infer<typeof authorityFileSchema>;

/** Reads a file of ours; undefined: it is not there. */
export async function readOwn<S extends z.ZodType>(
  file: string,
  schema: S,
): Promise<z.output<S> | undefined> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new Fault('tlsUnreadable', `${file} cannot be read: it must belong to this process's user`, {
      cause,
    });
  });
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Fault(
      'tlsTorn',
      `${file} is damaged: put it back from a backup, or move it away to have another made`,
      {
        cause,
      },
    );
  }
}

export function datesOf(pem: string, file: string): { notBeforeMs: number; notAfterMs: number } {
  try {
    const certificate = new X509Certificate(pem);
    return {
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
    };
  } catch (cause) {
    throw new Fault('tlsTorn', `${file} holds no certificate: put it back from a backup, or move it away`, {
      cause,
    });
  }
}

/** A damaged certificate under an authority that is whole is no loss: it is made anew. Undefined: none, or damaged. */
export async function readReplaceable<S extends z.ZodType>(
  file: string,
  schema: S,
  options: { readonly certificates: (read: z.output<S>) => readonly string[]; readonly log: Logger },
): Promise<z.output<S> | undefined> {
  try {
    const read = await readOwn(file, schema);
    if (read !== undefined) for (const pem of options.certificates(read)) datesOf(pem, file);
    return read;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'tlsTorn') throw error;
    options.log.warn({ err: error }, 'the server certificate is made anew');
    return undefined;
  }
}
