import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { makePrivateDirectory, writeFileDurably } from './durable-file.ts';

/** Files that tell machines apart, which every user may read: who starts the hub must make no difference. */
export interface MachineFiles {
  /** A board's serial number: a copied disk does not take it along. */
  readonly board: readonly string[];
  /** Files with the id that the system got at installation. */
  readonly system: readonly string[];
}
const thisMachine: MachineFiles = {
  board: ['/sys/firmware/devicetree/base/serial-number'],
  system: ['/etc/machine-id', '/var/lib/dbus/machine-id'],
};

const firstOf = (files: readonly string[]): string => {
  for (const file of files) {
    try {
      const text = readFileSync(file, 'utf8').replaceAll('\0', '').trim();
      if (text !== '') return text;
    } catch {
      // Not every machine has it, and not every user may read it.
    }
  }
  return '';
};

/**
 * A UUID of this machine: the same at every start, another on another machine, also with a copy of this one's disk where
 * the board has a serial number. Where the machine says nothing of itself, a random one that is kept in `file`.
 */
export async function readMachineInstance(file: string, machine = thisMachine): Promise<string> {
  const board = firstOf(machine.board);
  const system = firstOf(machine.system);
  if (board !== '' || system !== '')
    return uuidOf(createHash('sha256').update(`makrcave instance\n${board}\n${system}`).digest());
  if (!existsSync(file)) {
    await makePrivateDirectory(path.dirname(file));
    await writeFileDurably(file, randomBytes(16), 0o600);
  }
  return uuidOf(readFileSync(file));
}

/** Version 8: of one's own making (RFC 9562). */
function uuidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex').slice(0, 32);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
