import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import { createLog } from '#hub/platform/log.ts';
import { type OpenStoreOptions, openStore } from '#hub/store/open-store.ts';
import { asTestStore, foundation, registry, rightKey, type TestStore, thingSql } from './store-tables.ts';

/** A folder that is gone after the test. */
export function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'store-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `migrations/` in `folder` with the foundation and these further files. */
export function makeMigrations(
  folder: string,
  files: Record<string, string> = { '0002_thing.sql': thingSql },
): string {
  const migrations = path.join(folder, 'migrations');
  mkdirSync(migrations, { recursive: true });
  // As the product's migrations leave the store's own tables.
  writeFileSync(
    path.join(migrations, '0001_foundation.sql'),
    foundation.map((file) => readFileSync(file, 'utf8')).join('\n'),
  );
  for (const [file, sql] of Object.entries(files)) writeFileSync(path.join(migrations, file), sql);
  return migrations;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface OpenTestStore {
  readonly store: TestStore;
  readonly options: OpenStoreOptions;
  readonly lines: LogLine[];
  /** Resolves with the first log line that has this message. */
  readonly logged: (message: string) => Promise<LogLine>;
  readonly clock: { atMs: number; nowMs(): number };
}

/** A store in `folder`, closed after the test. */
export async function openTestStore(
  folder: string = makeFolder(),
  overrides: Partial<OpenStoreOptions> = {},
): Promise<OpenTestStore> {
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  const destination = {
    write(text: string): void {
      lines.push(JSON.parse(text) as LogLine);
      for (const watcher of watchers) watcher();
    },
  };
  const clock = {
    atMs: 1_800_000_000_000,
    nowMs(): number {
      return this.atMs;
    },
  };
  const options: OpenStoreOptions = {
    path: path.join(folder, 'hub.sqlite'),
    key: rightKey,
    keyPlace: '/keys/store.key',
    registry,
    migrationsDir: overrides.migrationsDir ?? makeMigrations(folder),
    clock,
    log: createLog({ level: 'debug', destination }),
    ...overrides,
  };
  const store = asTestStore(await openStore(options));
  onTestFinished(async () => await store.close());
  const logged = async (message: string): Promise<LogLine> =>
    await new Promise((resolve) => {
      const look = (): void => {
        const line = lines.find(({ msg }) => msg === message);
        if (line === undefined) return;
        watchers.delete(look);
        resolve(line);
      };
      watchers.add(look);
      look();
    });
  return { store, options, lines, logged, clock };
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

/** Every byte of every file in a folder, by name. */
export const filesOf = (folder: string): Map<string, Buffer> =>
  new Map(
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, readFileSync(path.join(folder, entry.name))]),
  );
