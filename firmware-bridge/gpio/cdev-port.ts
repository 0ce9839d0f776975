import type { GpioLines, GpioPort, InputLine, OutputLine } from '#bridge/ports.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
import {
  closeChip,
  closeLines,
  type GpioChip,
  getValues,
  openChip,
  type RequestedLines,
  requestLines,
  setValues,
} from './cdev.ts';
import { startEventReader } from './event-reader.ts';
import { checkLines } from './line-plan.ts';

/** The kernel's maximum: 39 frames of 26 bits. Its own default, 16 for each line, is little more than one. */
const eventBufferSize = 1024;

interface Requests {
  readonly outputs: RequestedLines | null;
  readonly data: RequestedLines | null;
  readonly inputs: RequestedLines | null;
}

/**
 * Opens the port on the kernel's character device, with three requests: outputs first, so that they are safe before
 * anything else can fail; the data lines of all readers, with a buffer of their own that no chattering contact can
 * fill; the inputs.
 * @throws {Fault} those of cdev.ts (chip missing, line busy, no right ...).
 */
export async function openCdevPort(label: string, lines: GpioLines): Promise<GpioPort> {
  const chip = openChip(label);
  let requests: Requests;
  try {
    checkLines(lines, chip.lines);
    requests = requestAll(chip, lines);
  } finally {
    closeChip(chip);
  }
  const held = Object.values(requests).filter((request: RequestedLines | null) => request !== null);
  const safeLevels = new Map(lines.outputs.map((line) => [line.offset, line.safeLevel]));
  const holder = (offset: number): RequestedLines => {
    const request = held.find((candidate) => candidate.bits.has(offset));
    if (request === undefined) throw new Fault('gpioLineUnknown', `GPIO line ${offset} was not requested`);
    return request;
  };

  const port: GpioPort = {
    kind: 'cdev',
    onEdges: () => undefined,
    onSettled: () => undefined,
    onFault: () => undefined,
    read(offset) {
      const level = getValues(holder(offset), [offset])[0];
      assert(level !== undefined, 'the kernel answers for each line asked');
      return level;
    },
    write(offset, level) {
      setValues(holder(offset), new Map([[offset, level]]));
    },
    async close() {
      try {
        if (requests.outputs !== null) setValues(requests.outputs, safeLevels);
      } finally {
        await reader.stop();
        for (const request of held) closeLines(request);
      }
    },
  };
  const watched = [requests.data, requests.inputs].filter((request) => request !== null);
  const sources = watched.map((request) => ({ fd: request.fd, firstSeqno: 1 }));
  const reader = await startEventReader(sources, {
    onEdges: (edges, lost) => port.onEdges(edges, lost),
    onSettled: (untilNs) => port.onSettled(untilNs),
    onFault: (fault) => port.onFault(fault),
  }).catch((error: unknown) => {
    for (const request of held) closeLines(request);
    throw error;
  });
  return port;
}

function requestAll(chip: GpioChip, lines: GpioLines): Requests {
  const taken: RequestedLines[] = [];
  const request = (
    use: string,
    inputs: readonly InputLine[],
    outputs: readonly OutputLine[],
  ): RequestedLines | null => {
    if (inputs.length + outputs.length === 0) return null;
    const wanted = { inputs, outputs, consumer: `makrcave-${use}`, eventBufferSize };
    const requested = requestLines(chip, wanted);
    taken.push(requested);
    return requested;
  };
  try {
    return {
      outputs: request('outputs', [], lines.outputs),
      data: request('readers', lines.data, []),
      inputs: request('inputs', lines.inputs, []),
    };
  } catch (error) {
    // Outputs keep the safe level from their request.
    for (const requested of taken) closeLines(requested);
    throw error;
  }
}
