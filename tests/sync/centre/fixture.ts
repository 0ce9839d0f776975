import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import type { KeyAndCertificate } from '#hub/platform/tls/certificate.ts';
import {
  type CentralConnection,
  type ConnectCentralOptions,
  connectCentral,
} from '#hub/sync/central/connection.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';

/** A folder with these files that is gone after the test. */
export function makeFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sync-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(folder, file), content);
  return folder;
}

/** Connected until the test ends. */
export async function connectForTest(
  url: string,
  options: Partial<ConnectCentralOptions> = {},
): Promise<CentralConnection> {
  const connection = await connectCentral({
    url,
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 30_000,
    ...options,
  });
  onTestFinished(async () => await connection.close());
  return connection;
}

/** The Fault with which it fails. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Fault)) throw error;
  return error;
}

/** This worker's PostgreSQL 18, speaking TLS with this certificate. */
export async function startWithTls({ cert, key }: KeyAndCertificate): Promise<PostgresServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sync-test-'));
  const tls = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') };
  writeFileSync(tls.cert, cert);
  writeFileSync(tls.key, key);
  try {
    return await usePostgres({ version: 18, tls });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
