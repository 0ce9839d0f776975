import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { outputRecordBytes, prepareSimState } from '#bridge/gpio/sim-state.ts';
import { openSimulatedPanel, type SimulatedPanel } from '#bridge/gpio/simulated-panel.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { decodeOutputRecord } from '#tests/_support/gpio/output-record.ts';
import type { BenchDoor } from './bench-site.ts';

const patienceMs = 10_000;
/** As fast readers send. */
const bitIntervalUs = 250;

/**
 * The hardware in front of the bridge, played by the bench's own process: it writes the kernel's records into the pipe
 * that the bridge's Worker reads, and reads what the bridge did to its outputs, each with the bridge's own time stamp.
 */
export class BenchPanel {
  readonly panel: SimulatedPanel;
  readonly #outputs: Socket;
  readonly #waiting = new Map<string, (atNs: bigint) => void>();
  #rest = Buffer.alloc(0);

  constructor(simulationDir: string) {
    const paths = prepareSimState(simulationDir);
    this.panel = openSimulatedPanel(simulationDir);
    // Read and write: it does not end when the bridge does.
    const fd = openSync(paths.outputs, constants.O_RDWR | constants.O_NONBLOCK);
    this.#outputs = new Socket({ fd, readable: true, writable: false });
    this.#outputs.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  #take(bytes: Buffer): void {
    const all = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; at + outputRecordBytes <= all.length; at += outputRecordBytes) {
      const { offset, level, timestampNs } = decodeOutputRecord(all, at);
      const key = `${offset}/${level}`;
      const wake = this.#waiting.get(key);
      this.#waiting.delete(key);
      wake?.(timestampNs);
    }
    this.#rest = all.subarray(at);
  }

  /** When the bridge next drives this line to this level. */
  #level(line: number, level: 0 | 1): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const key = `${line}/${level}`;
      const timer = setTimeout(() => {
        this.#waiting.delete(key);
        reject(new Error(`the bridge did not drive line ${line} to ${level} within ${patienceMs} ms`));
      }, patienceMs);
      this.#waiting.set(key, (atNs) => {
        clearTimeout(timer);
        resolve(atNs);
      });
    });
  }

  /**
   * A tap at a locked door, and somebody who goes through: it is opened (which locks it) and shut again. Resolves with the
   * ms from the last bit's time stamp to the output call that released the strike.
   */
  async pass(door: BenchDoor, card: CardRead): Promise<number> {
    const released = this.#level(door.strike, 1);
    const bits = hexToBits(card.hex, card.bits).join('');
    const lastBitNs = await this.panel.tapFrame({ bits, d0: door.d0, d1: door.d1, bitIntervalUs });
    const releasedNs = await released;
    const locked = this.#level(door.strike, 0);
    await this.panel.setLine(door.contact, 1);
    await locked;
    await this.panel.setLine(door.contact, 0);
    return Number(releasedNs - lastBitNs) / 1e6;
  }

  async close(): Promise<void> {
    this.#outputs.destroy();
    await this.panel.close();
  }
}
