import type { Later } from '#bridge/ports.ts';
import { Alternation, changesNote } from './alternation.ts';
import type { DoorEntry } from './door.ts';

interface PortRecord {
  readonly presence: Alternation;
  problem: string | null;
}

/** Writes down when a serial port goes away, as when its adapter is pulled out, and when it is back. */
export class SerialPorts {
  readonly #records = new Map<string, PortRecord>();
  readonly #later: Later;
  readonly #append: (entry: DoorEntry) => number | null;

  constructor(later: Later, append: (entry: DoorEntry) => number | null) {
    this.#later = later;
    this.#append = append;
  }

  /** `problem`: why it cannot be used; null: it is open. */
  note(port: string, problem: string | null): void {
    const record = this.#records.get(port) ?? this.#add(port);
    record.problem = problem;
    record.presence.note(problem !== null);
  }

  #add(port: string): PortRecord {
    const record: PortRecord = {
      problem: null,
      presence: new Alternation(this.#later, (isGone, changes) => {
        const what = isGone ? (record.problem ?? port) : port;
        const note = [changesNote(changes), what].filter((part) => part !== '').join('. ');
        this.#append({ kind: isGone ? 'portClosed' : 'portOpened', note: note.slice(0, 300) });
      }),
    };
    this.#records.set(port, record);
    return record;
  }

  stop(): void {
    for (const { presence } of this.#records.values()) presence.stop();
  }
}
