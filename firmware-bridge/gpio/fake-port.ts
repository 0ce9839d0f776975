import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import type { GpioEdge, GpioLines, GpioPort } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';
import { startEventReader } from './event-reader.ts';
import { checkLines, requestedOutput } from './line-plan.ts';
import { encodeOutputRecord, errorCode, openSimLevels, prepareSimState, simLineCount } from './sim-state.ts';

/**
 * Opens a port without hardware: another process writes kernel event records into a FIFO, and the Worker for
 * character devices reads them. `dir` is the simulation's folder (see sim-state.ts), created if missing.
 * @throws {Fault} `simState`, `gpioLineTwice`, `gpioLineUnknown`.
 */
export async function openFakePort(dir: string, lines: GpioLines): Promise<GpioPort> {
  checkLines(lines, simLineCount);
  const paths = prepareSimState(dir);
  const levels = openSimLevels(paths);
  const outputs = outputReports(paths.outputs);
  const write = (offset: number, level: 0 | 1): void => {
    levels.write(offset, level);
    outputs.report(offset, level);
  };
  const driveSafe = (): void => {
    for (const line of lines.outputs) write(line.offset, line.safeLevel);
  };
  driveSafe();

  // Read AND write: a FIFO that this process also could write to never ends when its writers come and go.
  const fd = openSync(paths.events, constants.O_RDWR | constants.O_NONBLOCK);
  discardOldEvents(fd);
  const edgesOf = new Map([...lines.data, ...lines.inputs].map((line) => [line.offset, line.edges]));
  const isWanted = (edge: GpioEdge): boolean => {
    const edges = edgesOf.get(edge.offset);
    return edges === 'both' || (edges === 'falling' && !edge.rising);
  };

  const release = (): void => {
    closeSync(fd);
    levels.close();
    outputs.close();
  };

  const port: GpioPort = {
    kind: 'fake',
    onEdges: () => undefined,
    onSettled: () => undefined,
    onFault: () => undefined,
    read(offset) {
      if (!edgesOf.has(offset)) requestedOutput(lines, offset);
      return levels.read(offset);
    },
    write(offset, level) {
      requestedOutput(lines, offset);
      write(offset, level);
    },
    async close() {
      driveSafe();
      await reader.stop();
      release();
    },
  };
  const reader = await startEventReader([{ fd, firstSeqno: null }], {
    onEdges(edges, lost) {
      const wanted = edges.filter(isWanted);
      if (wanted.length > 0 || lost > 0) port.onEdges(wanted, lost);
    },
    onSettled: (untilNs) => port.onSettled(untilNs),
    onFault: (fault) => port.onFault(fault),
  }).catch((error: unknown) => {
    release();
    throw error;
  });
  return port;
}

/** Drops edges from before the port was open: a real kernel would not have kept them, and no door may open by them. */
function discardOldEvents(fd: number): void {
  const bytes = Buffer.alloc(65_536);
  try {
    while (readSync(fd, bytes, 0, bytes.length, null) > 0);
  } catch (cause) {
    if (errorCode(cause) !== 'EAGAIN')
      throw new Fault('simState', 'cannot read the simulated events', { cause });
  }
}

/** Writes each output change to `outputs.fifo`; without a reader, or with a slow one, it is dropped. */
function outputReports(path: string) {
  let fd: number | null = null;
  const open = (): number | null => {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      // ENXIO: nobody reads.
      return null;
    }
  };
  const close = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  return {
    report(offset: number, level: 0 | 1): void {
      const timestampNs = process.hrtime.bigint();
      fd ??= open();
      if (fd === null) return;
      try {
        writeSync(fd, encodeOutputRecord({ timestampNs, offset, level }));
      } catch (error) {
        if (errorCode(error) === 'EPIPE') close();
      }
    },
    close,
  };
}
