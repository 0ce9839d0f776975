import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { recoverJournal } from '#bridge/journal/recovery.ts';
import { openPolicyStore } from '#bridge/policy/store.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { verifyAudit } from '#hub/domains/identity/audit/workflow.ts';
import { openConnection, proveKey } from '#hub/store/sqlite/open.ts';
import { entryOfRow, readJournal, storedEvents, withStore } from './account.ts';

type Files = ReadonlyMap<string, Buffer>;

export interface FoundBridge {
  readonly fault: string | null;
  readonly events: readonly BridgeEvent[];
  readonly policyRevision: number | null;
}

export interface FoundHub {
  readonly fault: string | null;
  readonly events: readonly BridgeEvent[];
  readonly heldSeq: number;
  readonly members: ReadonlySet<string>;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A directory in which what a power cut left is opened as the product opens it. */
export class CutPlace {
  readonly #directory: string;
  readonly #keys: Files;

  private constructor(directory: string, keys: Files) {
    this.#directory = directory;
    this.#keys = keys;
  }

  /** The keys are there since long before. */
  static async make(base: Files): Promise<CutPlace> {
    const keys = new Map([...base].filter(([file]) => file.endsWith('.key')));
    return new CutPlace(await mkdtemp(path.join(tmpdir(), 'mc-cut-')), keys);
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #place(files: Files, part: 'bridge' | 'hub'): Promise<void> {
    await rm(path.join(this.#directory, part), { recursive: true, force: true });
    for (const [file, content] of [...this.#keys, ...files]) {
      if (!file.startsWith(`${part}/`)) continue;
      const target = path.join(this.#directory, file);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      await writeFile(target, content, { mode: 0o600 });
    }
  }

  async openBridge(files: Files): Promise<FoundBridge> {
    await this.#place(files, 'bridge');
    const directory = path.join(this.#directory, 'bridge');
    const key = this.#keys.get('bridge/bridge.key') ?? Buffer.alloc(0);
    try {
      const recovery = await recoverJournal(openJournalDisk(path.join(directory, 'journal')), key);
      const { journalIds, events } = await readJournal(this.#directory);
      const policy = await openPolicyStore(directory, key).load();
      const isSound = recovery.unreadable.length === 0 && journalIds.length === 1;
      return {
        fault: isSound
          ? null
          : `${String(recovery.unreadable.length)} unreadable, ${String(journalIds.length)} journals`,
        events,
        policyRevision: policy?.version.revision ?? null,
      };
    } catch (error) {
      return { fault: textOf(error), events: [], policyRevision: null };
    }
  }

  async openHub(files: Files): Promise<FoundHub> {
    await this.#place(files, 'hub');
    const location = {
      path: path.join(this.#directory, 'hub/hub.sqlite'),
      key: this.#keys.get('hub/keys/store.key') ?? Buffer.alloc(0),
    };
    try {
      proveKey(location, true);
      const connection = openConnection(location, { mode: 'write', cacheKib: 4096 });
      const integrity = String(connection.pragma('integrity_check', { simple: true }));
      const foreign = connection.pragma('foreign_key_check') as unknown[];
      connection.close();
      return await withStore(this.#directory, async (reader) => {
        const audit = await verifyAudit(reader);
        const rows = await storedEvents(reader);
        const cursors = await reader.selectFrom('bridge_cursor').select('acked_seq').execute();
        const members = await reader.selectFrom('member').select('id').execute();
        const isSound = integrity === 'ok' && foreign.length === 0 && audit.ok;
        return {
          fault: isSound ? null : `integrity ${integrity}, audit ${JSON.stringify(audit)}`,
          events: rows.map(entryOfRow),
          heldSeq: Math.max(0, ...cursors.map((cursor) => cursor.acked_seq)),
          members: new Set(members.map((member) => member.id)),
        };
      });
    } catch (error) {
      return { fault: textOf(error), events: [], heldSeq: 0, members: new Set() };
    }
  }
}
