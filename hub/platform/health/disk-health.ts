import { statfs } from 'node:fs/promises';
import type { Finding } from '#hub/kernel/finding.ts';
import { bytesInWords } from '../units.ts';
import type { HealthPart } from './health-part.ts';

const mebibyte = 1024 * 1024;
const lowBytes = 1024 * mebibyte;
const lowShare = 0.1;
const nearlyFullBytes = 200 * mebibyte;
const fullBytes = mebibyte;
const lowInodes = 10_000;
const nearlyNoInodes = 500;

/** Disk space in total and available to this user. */
export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Files that can still be made; null where the file system has no such limit. */
  readonly freeInodes: number | null;
  readonly totalInodes: number | null;
}

/** Reads the space of the file system that holds `directory`. */
export async function readDiskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(directory);
  const isCounted = files > 0;
  return {
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    freeInodes: isCounted ? ffree : null,
    totalInodes: isCounted ? files : null,
  };
}

const cleanUp =
  'Free space on it: old files of yours, other programs, old logs. Or move the state to a larger card (see README).';

function spaceFinding(space: DiskSpace): Finding | null {
  const { freeBytes, totalBytes } = space;
  const evidence = `${bytesInWords(freeBytes)} of ${bytesInWords(totalBytes)} are free where the hub keeps its data.`;
  if (freeBytes < fullBytes)
    return {
      id: 'disk.full',
      severity: 'error',
      evidence: `The disk is full: ${evidence} Doors open as before and pages show everything, but no change can be saved.`,
      fix: `${cleanUp} Everything goes on by itself when there is room.`,
    };
  if (freeBytes < nearlyFullBytes)
    return {
      id: 'disk.low',
      severity: 'error',
      evidence: `The disk is nearly full: ${evidence}`,
      fix: cleanUp,
    };
  return freeBytes < lowBytes || freeBytes < totalBytes * lowShare
    ? { id: 'disk.low', severity: 'warning', evidence, fix: cleanUp }
    : null;
}

function inodeFinding({ freeInodes, totalInodes }: DiskSpace): Finding | null {
  if (freeInodes === null || totalInodes === null) return null;
  // Small file systems have few from the start.
  if (freeInodes >= Math.min(lowInodes, totalInodes * lowShare)) return null;
  return {
    id: 'disk.inodes',
    severity: freeInodes < nearlyNoInodes ? 'error' : 'warning',
    evidence: `Only ${freeInodes} more files of ${totalInodes} can be made where the hub keeps its data, however much room is left.`,
    fix: 'Remove folders with very many small files; caches of other programs are the usual ones.',
  };
}

/** Judges the disk space left. */
export const diskFindings = (space: DiskSpace): readonly Finding[] =>
  [spaceFinding(space), inodeFinding(space)].filter((finding) => finding !== null);

/** @param readSpace in tests */
export function diskHealth(
  directory: string,
  readSpace: (directory: string) => Promise<DiskSpace> = readDiskSpace,
): HealthPart {
  let last: DiskSpace | null = null;
  const read = async (): Promise<DiskSpace> => (last = await readSpace(directory));
  return {
    name: 'disk',
    title: 'Disk',
    findings: async () => diskFindings(await read()),
    async figures() {
      const { freeBytes, totalBytes, freeInodes } = await read();
      return [
        { name: 'freeBytes', title: 'Free', unit: 'bytes', value: freeBytes },
        { name: 'totalBytes', title: 'Size', unit: 'bytes', value: totalBytes },
        { name: 'freeInodes', title: 'Files that can still be made', unit: 'count', value: freeInodes },
      ];
    },
    metrics: [
      {
        kind: 'gauge',
        name: 'disk_free_bytes',
        help: 'Room left where the hub keeps its data, as of the last look (every 30 s)',
        read: () => (last === null ? [] : [{ value: last.freeBytes }]),
      },
      {
        kind: 'gauge',
        name: 'disk_size_bytes',
        help: 'Size of the file system where the hub keeps its data',
        read: () => (last === null ? [] : [{ value: last.totalBytes }]),
      },
    ],
  };
}
