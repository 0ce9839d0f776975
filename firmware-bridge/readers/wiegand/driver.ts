import type { GpioEdge, ReaderDriver, ReaderHooks } from '#bridge/ports.ts';
import { type FrameOutcome, type WiegandFinding, type WiegandLines, wiegandAssembler } from './protocol.ts';

const findingMessage = (finding: WiegandFinding): string => {
  if (finding.kind === 'longerThanConfigured')
    return `A frame of ${finding.bits} bits came from a reader that is configured for one shorter length: correct fixedBits. Until the bridge is started again it waits for the end of each frame.`;
  const seen = `${finding.framesInRow} frames in a row failed parity: D0/D1 swapped or inverted?`;
  return finding.swapFixes
    ? `${seen} With D0 and D1 exchanged all of them would have been right: exchange the two wires or their offsets.`
    : `${seen} Exchanging them alone would not make these frames right: check the common ground, the level shifter and "inverted".`;
};

/** Feeds one reader's edges to its assembler and delivers the outcomes. Runs on the door thread; no timers. */
export function wiegandDriver(readerKey: string, config: WiegandLines, hooks: ReaderHooks): ReaderDriver {
  const assembler = wiegandAssembler(config);

  const deliver = (outcome: FrameOutcome | null): void => {
    if (outcome === null) return;
    if (outcome.kind === 'read') {
      hooks.onRead({ readerKey, read: outcome.read, lastBitNs: outcome.lastBitNs });
      return;
    }
    if (outcome.kind === 'keys') {
      hooks.onKeys({ readerKey, keys: outcome.keys });
      return;
    }
    hooks.onFault({ readerKey, kind: outcome.fault, bits: outcome.bits });
    const { finding } = outcome;
    if (finding !== null)
      hooks.onFinding({ readerKey, kind: finding.kind, message: findingMessage(finding) });
  };

  return {
    readerKey,
    onEdges(edges: readonly GpioEdge[], lost: number): void {
      const first = edges[0];
      if (lost > 0 && first !== undefined) assembler.lose(first.timestampNs);
      for (const edge of edges)
        if (edge.offset === config.d0 || edge.offset === config.d1) deliver(assembler.push(edge));
    },
    onSettled(untilNs: bigint): void {
      deliver(assembler.expire(untilNs));
    },
  };
}
