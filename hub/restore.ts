import { existsSync } from 'node:fs';
import path from 'node:path';
import { startHub } from './compose.ts';
import { openCardKey } from './domains/access/vault/workflow.ts';
import { Fault } from './kernel/result.ts';
import { loadHubConfig } from './load-hub-config.ts';
import { openHubStore } from './open-hub-store.ts';
import { createSystemClock } from './platform/clock/system-clock.ts';
import { hubPaths } from './platform/config/hub-config.ts';
import { makePrivateDirectory, writeFileDurably } from './platform/files/durable-file.ts';
import { readMachineInstance } from './platform/files/machine-instance.ts';
import { createLog } from './platform/log.ts';
import { newId } from './platform/new-id.ts';
import { hubRelease } from './store/migrating/migrations.ts';
import type { Store } from './store/store.ts';
import { lookUpCode } from './sync/link/join-workflow.ts';
import { isRestoring, takeEverything } from './sync/link/restore-workflow.ts';

export interface RestoreOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly url: string;
  readonly ca?: string | undefined;
  /** Not needed when a restore that was begun here goes on. */
  readonly code?: string | undefined;
  /** From the recovery sheet. */
  readonly recoveryCode?: string | undefined;
  /** Go on although no card and no PIN will work. */
  readonly withoutCards: boolean;
  readonly print: (line: string) => void;
}

const refused = (message: string): Fault => new Fault('restoreRefused', message);

/**
 * Makes a hub out of what the centre has, where there was none: rows, events and, by the recovery code, cards and PINs. The
 * machine that was this hub before is fenced. Can be cut off anywhere and run again. Faults: `restoreRefused` with what to
 * do, and those of the connection and the store.
 */
export async function restoreHub(options: RestoreOptions): Promise<void> {
  const { env, print } = options;
  const config = loadHubConfig({ file: env['MAKRCAVE_CONFIG'], env });
  const paths = hubPaths(config);
  const log = createLog({ level: 'silent' });
  const isNew = !existsSync(paths.store);
  if (isNew) await checkCode(options);
  await makePrivateDirectory(paths.directory);
  const clock = createSystemClock({ markFile: paths.clock, trustSystem: config.clock.trustSystem });
  try {
    const store = await openHubStore(config, { clock, log }, { isBulkLoad: true });
    try {
      if (!isNew && !(await isRestoring(store.read)))
        throw refused(
          `there is a hub in ${paths.directory} already: restore into an empty folder (--state DIR), or move that one away`,
        );
      print('Taking everything from the centre ...');
      const tell = progressTeller(print);
      const instance = await readMachineInstance(paths.instance);
      await takeEverything(
        { store, clock, newId, instance, release: hubRelease, report: tell },
        { url: options.url, ca: options.ca, code: options.code ?? '' },
      );
      await unlockCards(options, store, path.join(paths.keys, 'cards.key'));
    } finally {
      await store.close();
    }
  } finally {
    clock.close();
  }
  print('Making what doors and searches need ...');
  const hub = await startHub({ env, listen: 'restore' });
  try {
    const [first, ...more] = await hub.finishRestore();
    if (first !== undefined)
      print(`${first.restored} are here again${more.map(({ restored }) => `, and ${restored}`).join('')}.`);
    for (const { lost } of [first, ...more].filter((rows) => rows !== undefined))
      if (lost !== null) print(lost);
  } finally {
    await hub.close();
  }
}

/** Before anything is made here or used up there. */
async function checkCode({ url, ca, code, print }: RestoreOptions): Promise<void> {
  if (code === undefined || code === '')
    throw refused(
      'a restore needs the one-time code that `makrcave-hub central replace-hub` prints: --code CODE',
    );
  const found = await lookUpCode({ url, ca, code });
  if (!found.ok)
    throw refused(
      'the code is not known at the centre, was used already, or is too old: get another by `makrcave-hub central replace-hub`',
    );
  if (found.value.space === null)
    throw refused(
      'the centre has nothing of this site yet: start a new hub (./scripts/start) and link it there, at Settings, Sync',
    );
  print(`This machine becomes ${found.value.hub_name} of ${found.value.site_name}.`);
}

/** The key of the cards, by the recovery sheet; written before the hub starts, or it would seal them under another. */
async function unlockCards(
  { recoveryCode, withoutCards, print }: RestoreOptions,
  store: Store,
  file: string,
): Promise<void> {
  if (withoutCards) {
    print('Without the recovery sheet: every card and every PIN has to be enrolled again.');
    return;
  }
  if (recoveryCode === undefined || recoveryCode === '')
    throw refused(
      'everything is here but the cards, which only the recovery sheet unlocks. Without it every card would be dead: run this again with --recovery-code CODE, or with --without-cards if the sheet is lost',
    );
  const opened = await openCardKey(store.read, recoveryCode);
  if (!opened.ok)
    throw refused(
      `${opened.refusal.title}. Run this again with the right --recovery-code, or with --without-cards if the sheet is lost`,
    );
  await makePrivateDirectory(path.dirname(file));
  await writeFileDurably(file, Buffer.from(opened.value), 0o600);
}

function progressTeller(print: (line: string) => void): Parameters<typeof takeEverything>[0]['report'] {
  const stepRows = 100_000;
  let rows = 0;
  return (progress) => {
    if (progress.kind !== 'received') return;
    const before = Math.floor(rows / stepRows);
    rows += progress.operations;
    if (Math.floor(rows / stepRows) > before) print(`  ${rows} rows`);
  };
}
