import type { JournalDisk, JournalFile } from '#bridge/journal/disk.ts';

type Operation =
  | { readonly kind: 'create'; readonly name: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly length: number }
  /** A finished sync of a file (or, without a name, of the directory): covers what is before `from`. */
  | { readonly kind: 'synced'; readonly name: string | null; readonly from: number };

/** What of the unsynced writes is on the medium when the power goes. */
export type Survival = (random: () => number) => 'lost' | 'whole' | 'torn';

const sectorBytes = 512;

/**
 * A disk in memory that records every write and sync, so that it can be looked at as a power cut at any point of the
 * record would leave it: what a finished sync covers is there, of the rest each write is there, missing or torn.
 */
export class PowerCutDisk implements JournalDisk {
  readonly trace: Operation[] = [];
  readonly #files = new Map<string, Buffer>();
  /** What was on the medium before the first operation of the trace. */
  #base = new Map<string, Buffer>();
  readonly #syncTakes: () => Promise<void>;

  constructor(syncTakes: () => Promise<void> = () => Promise.resolve()) {
    this.#syncTakes = syncTakes;
  }

  list(): string[] {
    return [...this.#files.keys()];
  }

  unlink(name: string): void {
    this.#files.delete(name);
    this.trace.push({ kind: 'unlink', name });
  }

  async syncNames(): Promise<void> {
    await this.#sync(null);
  }

  async #sync(name: string | null): Promise<void> {
    const from = this.trace.length;
    await this.#syncTakes();
    this.trace.push({ kind: 'synced', name, from });
  }

  open(name: string, how: 'read' | 'write' | 'create'): JournalFile {
    if (how === 'create') {
      this.#files.set(name, Buffer.alloc(0));
      this.trace.push({ kind: 'create', name });
    }
    const content = (): Buffer => {
      const bytes = this.#files.get(name);
      if (bytes === undefined) throw new Error(`ENOENT ${name}`);
      return bytes;
    };
    const write = (offset: number, bytes: Uint8Array): void => {
      const copy = Buffer.from(bytes);
      this.#files.set(name, withBytes(content(), offset, copy));
      this.trace.push({ kind: 'write', name, offset, bytes: copy });
    };
    return {
      size: () => content().length,
      read: (offset, length) => Buffer.from(content().subarray(offset, offset + length)),
      write,
      writeLater: (offset, bytes) => {
        write(offset, bytes);
        return Promise.resolve();
      },
      sync: () => this.#sync(name),
      truncate: (length) => {
        this.#files.set(name, Buffer.from(content().subarray(0, length)));
        this.trace.push({ kind: 'truncate', name, length });
      },
      close: () => undefined,
    };
  }

  /** The disk after a power cut right behind `end` operations. */
  cutAfter(end: number, survives: Survival, random: () => number): PowerCutDisk {
    const done = this.trace.slice(0, end);
    const covered = new Map<string | null, number>();
    for (const operation of done)
      if (operation.kind === 'synced')
        covered.set(operation.name, Math.max(covered.get(operation.name) ?? 0, operation.from));
    const after = new PowerCutDisk();
    for (const [name, bytes] of this.#base) after.#files.set(name, Buffer.from(bytes));
    for (const [index, operation] of done.entries()) {
      if (operation.kind === 'synced') continue;
      const isName = operation.kind === 'create' || operation.kind === 'unlink';
      const isDurable = index < (covered.get(isName ? null : operation.name) ?? 0);
      after.#replay(operation, isDurable ? 'whole' : survives(random), random);
    }
    after.#base = new Map([...after.#files].map(([name, bytes]) => [name, Buffer.from(bytes)]));
    return after;
  }

  #replay(
    operation: Exclude<Operation, { kind: 'synced' }>,
    how: ReturnType<Survival>,
    random: () => number,
  ): void {
    const { name } = operation;
    if (how === 'lost') return;
    if (operation.kind === 'create') this.#files.set(name, this.#files.get(name) ?? Buffer.alloc(0));
    else if (operation.kind === 'unlink') this.#files.delete(name);
    else {
      const before = this.#files.get(name);
      // A file whose name was lost is gone with all that was in it.
      if (before === undefined) return;
      if (operation.kind === 'truncate') this.#files.set(name, before.subarray(0, operation.length));
      else {
        const { offset, bytes } = operation;
        const kept = how === 'torn' ? bytes.subarray(0, tornLength(offset, bytes.length, random)) : bytes;
        this.#files.set(name, withBytes(before, offset, kept));
      }
    }
  }
}

/** Media write whole sectors: a write is torn where one ends. */
function tornLength(offset: number, length: number, random: () => number): number {
  const cut = offset + Math.floor(random() * length);
  return Math.max(0, Math.floor(cut / sectorBytes) * sectorBytes - offset);
}

function withBytes(before: Buffer, offset: number, bytes: Buffer): Buffer {
  // Nobody else holds the buffer: it grows by copying and is changed in place otherwise.
  const grown =
    before.length >= offset + bytes.length
      ? before
      : Buffer.concat([before, Buffer.alloc(offset + bytes.length - before.length)]);
  bytes.copy(grown, offset);
  return grown;
}

/** A repeatable source of chance (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
