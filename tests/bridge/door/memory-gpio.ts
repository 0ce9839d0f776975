import type { GpioEdge, GpioLines, GpioPort } from '#bridge/ports.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

/** Lines in memory: inputs as the test sets them, outputs as the bridge drove them, in order. */
export class MemoryGpio implements GpioPort {
  readonly kind = 'fake';
  readonly writes: { readonly offset: number; readonly level: 0 | 1 }[] = [];
  readonly #levels = new Map<number, 0 | 1>();
  readonly #lines: GpioLines;
  #seqno = 0;
  #nowNs = 1_000_000_000n;
  failing = false;
  closed = false;
  /** Called at every write, before it has its effect. */
  onWrite: (offset: number, level: 0 | 1) => void = () => undefined;
  onEdges: GpioPort['onEdges'] = () => undefined;
  onSettled: GpioPort['onSettled'] = () => undefined;
  onFault: GpioPort['onFault'] = () => undefined;

  constructor(lines: GpioLines) {
    this.#lines = lines;
    for (const line of lines.outputs) this.#levels.set(line.offset, line.safeLevel);
  }

  read(offset: number): 0 | 1 {
    return this.#levels.get(offset) ?? 0;
  }

  write(offset: number, level: 0 | 1): void {
    if (this.failing) throw new Error('EIO');
    this.onWrite(offset, level);
    this.writes.push({ offset, level });
    this.#levels.set(offset, level);
  }

  close(): Promise<void> {
    for (const line of this.#lines.outputs) this.#levels.set(line.offset, line.safeLevel);
    this.closed = true;
    return Promise.resolve();
  }

  #edge(offset: number, rising: boolean): GpioEdge {
    this.#seqno += 1;
    this.#nowNs += 1_000_000n;
    return { offset, rising, seqno: this.#seqno, timestampNs: this.#nowNs };
  }

  /** An input changes; `silently`: the kernel lost the edge. */
  set(offset: number, level: 0 | 1, silently = false): void {
    if (this.read(offset) === level) return;
    this.#levels.set(offset, level);
    if (!silently) this.onEdges([this.#edge(offset, level === 1)], 0);
  }

  /** The kernel says that it dropped edges. */
  lose(count: number): void {
    this.onEdges([], count);
  }

  /** A card at a Wiegand reader on these lines, and the silence after it. */
  tap(read: CardRead, d0 = 5, d1 = 6): void {
    const edges = [...hexToBits(read.hex, read.bits)].map((bit) => this.#edge(bit === 1 ? d1 : d0, false));
    this.onEdges(edges, 0);
    this.#nowNs += 40_000_000n;
    this.onSettled(this.#nowNs);
  }
}
