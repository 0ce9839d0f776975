import type { GpioEdge } from '#bridge/ports.ts';

/** Consecutive edges without a gap; `lost` edges are missing before the first. */
export interface EdgeRun {
  readonly edges: readonly GpioEdge[];
  readonly lost: number;
}

/**
 * Sorts the edges of one kernel request by their interrupts. The kernel numbers edges in the interrupt but queues
 * them per line, so a later number can come first; if its buffer overflows, the oldest are gone. Edges behind a gap
 * are held until the missing one arrives or `flush` gives it up.
 */
export interface EdgeOrder {
  /** Takes edges as read and returns those that can be delivered. */
  push(edges: readonly GpioEdge[]): readonly EdgeRun[];
  /** Gives up on missing edges: delivers the held ones and counts the gaps as lost. */
  flush(): readonly EdgeRun[];
  /** Number of edges that wait behind a gap. */
  held(): number;
}

/** The size of the kernel's own buffer: no edge can be later than that. */
const maxHeldEdges = 1024;

/** Numbers further back than this are no latecomers: the counter has started over. */
const maxLateEdges = 2 * maxHeldEdges;

/** Distance from `from` to `to` in the kernel's 32-bit count; negative: `to` is behind. */
const distance = (from: number, to: number): number => (to - from) | 0;

/** `firstSeqno`: the number of the first edge (1 for a fresh kernel request); null: whatever comes first. */
export function edgeOrder(firstSeqno: number | null): EdgeOrder {
  let expected = firstSeqno;
  let waiting: GpioEdge[] = [];

  const release = (acceptGaps: boolean): EdgeRun[] => {
    const runs: EdgeRun[] = [];
    let run: GpioEdge[] = [];
    let lost = 0;
    let taken = 0;
    for (const edge of waiting) {
      const ahead = expected === null ? 0 : distance(expected, edge.seqno);
      if (ahead > 0) {
        if (!acceptGaps) break;
        if (run.length > 0) runs.push({ edges: run, lost });
        run = [];
        lost = ahead;
      }
      taken += 1;
      // Behind: a duplicate, or a latecomer already counted as lost, whose frame was dropped.
      if (ahead < 0) continue;
      run.push(edge);
      expected = (edge.seqno + 1) >>> 0;
    }
    if (run.length > 0) runs.push({ edges: run, lost });
    waiting = waiting.slice(taken);
    return runs;
  };

  return {
    push(edges) {
      const first = edges[0];
      if (first === undefined) return [];
      const restarted = expected !== null && distance(expected, first.seqno) < -maxLateEdges;
      const before = restarted ? release(true) : [];
      if (restarted) expected = first.seqno;
      waiting = waiting.length === 0 ? [...edges] : [...waiting, ...edges];
      const base = expected ?? first.seqno;
      waiting.sort((a, b) => distance(base, a.seqno) - distance(base, b.seqno));
      return [...before, ...release(waiting.length > maxHeldEdges)];
    },
    flush: () => release(true),
    held: () => waiting.length,
  };
}
