import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ErrorEvent, errorEventSchema } from './error-report-event.ts';

const maxEvents = 100;
const maxEventBytes = 64 * 1024;
const maxAgeMs = 7 * 86_400_000;
const wellFormedName = /^(\d{13})-[0-9a-f]{32}\.json$/;

export interface SpooledEvent {
  readonly name: string;
  readonly event: ErrorEvent;
}

/**
 * Reports that wait to be sent: one private file each, at most 100 of 64 KiB, for a week. Synchronous, because the last
 * one is written while the process dies. What cannot be written or read is dropped and counted: a report is worth less
 * than the work that it disturbs.
 */
export class ErrorSpool {
  readonly #directory: string;
  /** Given up for want of room, for age, or because their file was damaged. */
  dropped = 0;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Names, oldest first. */
  #names(): readonly string[] {
    try {
      return readdirSync(this.#directory)
        .filter((name) => wellFormedName.test(name))
        .sort();
    } catch {
      return [];
    }
  }

  count(): number {
    return this.#names().length;
  }

  /** UTC ms; null when nothing waits. */
  oldestAtMs(): number | null {
    const name = this.#names()[0];
    return name === undefined ? null : Number(name.slice(0, 13));
  }

  add(event: ErrorEvent): void {
    const text = JSON.stringify(event);
    if (Buffer.byteLength(text) > maxEventBytes) {
      this.dropped += 1;
      return;
    }
    const names = this.#names();
    for (const name of names.slice(0, Math.max(0, names.length - maxEvents + 1))) this.#drop(name);
    const atMs = String(Math.round(event.timestamp * 1000)).padStart(13, '0');
    try {
      writeFileSync(path.join(this.#directory, `${atMs}-${event.event_id}.json`), text, { mode: 0o600 });
    } catch {
      this.dropped += 1;
    }
  }

  /** The oldest that is not too old; null when nothing waits. */
  first(nowMs: number): SpooledEvent | null {
    for (const name of this.#names()) {
      const file = path.join(this.#directory, name);
      try {
        if (nowMs - Number(name.slice(0, 13)) <= maxAgeMs && statSync(file).size <= maxEventBytes)
          return { name, event: errorEventSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) };
      } catch {
        // Torn by a power cut, or somebody's hand.
      }
      this.#drop(name);
    }
    return null;
  }

  remove(name: string): void {
    rmSync(path.join(this.#directory, name), { force: true });
  }

  #drop(name: string): void {
    this.dropped += 1;
    this.remove(name);
  }
}
