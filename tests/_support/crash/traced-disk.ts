import { unreachable } from '#hub/kernel/result.ts';

/** A system call on a file, as it was seen from outside; times in ms of one clock. */
export interface DiskCall {
  readonly startMs: number;
  readonly endMs: number;
  readonly act:
    | { readonly kind: 'create'; readonly path: string; readonly truncates: boolean }
    | {
        readonly kind: 'write';
        readonly path: string;
        readonly offset: number | null;
        readonly bytes: Buffer;
      }
    | { readonly kind: 'truncate'; readonly path: string; readonly length: number }
    | { readonly kind: 'rename'; readonly path: string; readonly to: string }
    | { readonly kind: 'unlink'; readonly path: string }
    /** Of a file, or of the names in a directory. */
    | { readonly kind: 'sync'; readonly path: string };
}

/** What of that which no sync covers is on the medium. */
export type Survival = 'lost' | 'whole' | 'torn';

interface Pending {
  readonly endMs: number;
  readonly offset: number;
  /** Null: a truncation to `offset`. */
  readonly bytes: Buffer | null;
}

interface TracedFile {
  /** What is certainly on the medium. */
  durable: Buffer;
  pending: Pending[];
  length: number;
}

type NameChange =
  | { readonly endMs: number; readonly kind: 'link'; readonly path: string; readonly file: TracedFile }
  | { readonly endMs: number; readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly endMs: number; readonly kind: 'unlink'; readonly path: string };

const pageBytes = 4096;
const sectorBytes = 512;
/** The clock of the trace shows microseconds. */
const clockStepMs = 0.002;

/** Writes `bytes`, as far as `has` says for each sector, and grows the content to the last that is written. */
function put(content: Buffer, offset: number, bytes: Buffer, has: (sector: number) => boolean): Buffer {
  const parts: { readonly from: number; readonly to: number }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const sector = Math.floor((offset + at) / sectorBytes);
    const end = Math.min(bytes.length, (sector + 1) * sectorBytes - offset);
    if (has(sector)) parts.push({ from: at, to: end });
    at = end;
  }
  const length = offset + (parts.at(-1)?.to ?? -offset);
  const result =
    content.length >= length ? content : Buffer.concat([content, Buffer.alloc(length - content.length)]);
  for (const { from, to } of parts) bytes.copy(result, offset + from, from, to);
  return result;
}

const putAll = (content: Buffer, { offset, bytes }: Pending): Buffer =>
  bytes === null ? content.subarray(0, offset) : put(content, offset, bytes, () => true);

/**
 * Which of the unsynced writes a torn file shows: a medium holds of every sector what was there at some moment since
 * the last sync, mostly the same moment for the sectors of a page.
 */
function tornChoice(
  pending: readonly Pending[],
  random: () => number,
): (at: number, sector: number) => boolean {
  const seen = new Map<number, { shown: number; isTorn: boolean }>();
  const shownOf = new Map<number, number>();
  const anyMoment = (): number => Math.floor(random() * (pending.length + 1));
  return (at, sector) => {
    const pageNumber = Math.floor((sector * sectorBytes) / pageBytes);
    let page = seen.get(pageNumber);
    if (page === undefined) {
      page = { shown: anyMoment(), isTorn: random() < 0.3 };
      seen.set(pageNumber, page);
    }
    if (!page.isTorn) return at < page.shown;
    const shown = shownOf.get(sector) ?? anyMoment();
    shownOf.set(sector, shown);
    return at < shown;
  };
}

function contentAfter(file: TracedFile, survival: Survival, random: () => number): Buffer {
  const { durable, pending } = file;
  if (survival === 'lost' || pending.length === 0) return durable;
  let content: Buffer = Buffer.from(durable);
  if (survival === 'whole') {
    for (const change of pending) content = putAll(content, change);
    return content;
  }
  const has = tornChoice(pending, random);
  const truncations = Math.floor(random() * (pending.length + 1));
  for (const [at, { offset, bytes }] of pending.entries()) {
    if (bytes !== null) content = put(content, offset, bytes, (sector) => has(at, sector));
    else if (at < truncations) content = content.subarray(0, offset);
  }
  return content;
}

/**
 * Follows the calls of a trace and says at any point of it what a power cut could leave behind: what a finished sync
 * covers is there; of the rest, names are there up to some moment, and each sector of a file as it was at some moment.
 */
export class TracedDisk {
  /** As the running process sees it. */
  readonly #names = new Map<string, TracedFile>();
  readonly #durableNames: Map<string, TracedFile>;
  #pendingNames: NameChange[] = [];

  constructor(base: ReadonlyMap<string, Buffer>) {
    for (const [path, content] of base)
      this.#names.set(path, { durable: Buffer.from(content), pending: [], length: content.length });
    this.#durableNames = new Map(this.#names);
  }

  /** False when the call changes nothing that this disk knows of. */
  apply({ startMs, endMs, act }: DiskCall): boolean {
    const file = this.#names.get(act.path);
    switch (act.kind) {
      case 'create': {
        if (file !== undefined) return act.truncates && this.#change(file, endMs, 0, null);
        const made: TracedFile = { durable: Buffer.alloc(0), pending: [], length: 0 };
        this.#names.set(act.path, made);
        this.#pendingNames.push({ endMs, kind: 'link', path: act.path, file: made });
        return true;
      }
      case 'write':
        return file !== undefined && this.#change(file, endMs, act.offset ?? file.length, act.bytes);
      case 'truncate':
        return file !== undefined && this.#change(file, endMs, act.length, null);
      case 'rename':
        if (file === undefined) return false;
        this.#names.delete(act.path);
        this.#names.set(act.to, file);
        this.#pendingNames.push({ endMs, kind: 'rename', path: act.path, to: act.to });
        return true;
      case 'unlink':
        if (!this.#names.delete(act.path)) return false;
        this.#pendingNames.push({ endMs, kind: 'unlink', path: act.path });
        return true;
      case 'sync':
        if (file === undefined) this.#syncNames(startMs);
        else this.#syncFile(file, startMs);
        return true;
      default:
        return unreachable(act);
    }
  }

  #change(file: TracedFile, endMs: number, offset: number, bytes: Buffer | null): boolean {
    file.pending.push({ endMs, offset, bytes });
    file.length = bytes === null ? offset : Math.max(file.length, offset + bytes.length);
    return true;
  }

  #syncFile(file: TracedFile, startMs: number): void {
    const isCovered = (change: Pending): boolean => change.endMs <= startMs + clockStepMs;
    for (const change of file.pending) if (isCovered(change)) file.durable = putAll(file.durable, change);
    file.pending = file.pending.filter((change) => !isCovered(change));
  }

  #syncNames(startMs: number): void {
    const isCovered = (change: NameChange): boolean => change.endMs <= startMs + clockStepMs;
    for (const change of this.#pendingNames) if (isCovered(change)) rename(this.#durableNames, change);
    this.#pendingNames = this.#pendingNames.filter((change) => !isCovered(change));
  }

  /** The files after a power cut right now. */
  cut(survival: Survival, random: () => number): Map<string, Buffer> {
    const names = new Map(this.#durableNames);
    const kept = {
      lost: 0,
      whole: this.#pendingNames.length,
      torn: Math.floor(random() * (this.#pendingNames.length + 1)),
    }[survival];
    for (const change of this.#pendingNames.slice(0, kept)) rename(names, change);
    return new Map([...names].map(([path, file]) => [path, contentAfter(file, survival, random)]));
  }
}

function rename(names: Map<string, TracedFile>, change: NameChange): void {
  const file = change.kind === 'link' ? change.file : names.get(change.path);
  names.delete(change.path);
  if (change.kind === 'unlink' || file === undefined) return;
  names.set(change.kind === 'link' ? change.path : change.to, file);
}
