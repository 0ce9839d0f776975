import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openChip } from '#bridge/gpio/cdev.ts';
import { decodeLineEvents, encodeLineEvent } from '#bridge/gpio/uapi.ts';
import { pollAndRead } from '#tests/_support/gpio/poll-and-read.ts';

// What needs no GPIO chip. The rest runs against a kernel's own chip in tests/system/kernel/gpio-cdev.test.ts.

const event = (seqno: number) => ({
  timestampNs: BigInt(seqno),
  rising: false,
  offset: 17,
  seqno,
  lineSeqno: seqno,
});

describe('reading event records from a pipe', () => {
  const buffer = Buffer.alloc(48 * 64);
  let folder: string;
  let readEnd: number;
  let writeEnd: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gpio-pipe-'));
    const path = join(folder, 'edges');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    // Not waiting for the other end, as a plain open of a FIFO does.
    readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    writeEnd = openSync(path, constants.O_WRONLY);
  });

  afterEach(() => {
    closeSync(readEnd);
    if (writeEnd >= 0) closeSync(writeEnd);
    rmSync(folder, { recursive: true });
  });

  const closeWriter = () => {
    closeSync(writeEnd);
    writeEnd = -1;
  };

  test('all records that are there come in one call', () => {
    writeSync(writeEnd, Buffer.concat([1, 2, 3].map((seqno) => encodeLineEvent(event(seqno)))));
    expect(pollAndRead(readEnd, 1000, buffer)).toBe(3);
    expect(decodeLineEvents(buffer, 3)).toEqual([event(1), event(2), event(3)]);
  });

  test('nothing written is 0 records once the time is up', () => {
    expect(pollAndRead(readEnd, 10, buffer)).toBe(0);
  });

  test('a buffer smaller than what is there leaves the rest for the next call', () => {
    writeSync(writeEnd, Buffer.concat([1, 2, 3].map((seqno) => encodeLineEvent(event(seqno)))));
    // 50 bytes of room hold one record.
    expect(pollAndRead(readEnd, 1000, Buffer.alloc(50))).toBe(1);
    expect(pollAndRead(readEnd, 1000, buffer)).toBe(2);
    expect(decodeLineEvents(buffer, 2)).toEqual([event(2), event(3)]);
  });

  test('the last records are read before a closed pipe is reported', () => {
    writeSync(writeEnd, encodeLineEvent(event(1)));
    closeWriter();
    expect(pollAndRead(readEnd, 1000, buffer)).toBe(1);
    expect(pollAndRead(readEnd, 1000, buffer)).toBe('closed');
  });

  test('a record that never ends is a fault, not half a record', () => {
    writeSync(writeEnd, encodeLineEvent(event(1)).subarray(0, 40));
    expect(() => pollAndRead(readEnd, 10, buffer)).toThrow(
      expect.objectContaining({ code: 'gpioIoFailed', message: expect.stringContaining('8 bytes before') }),
    );
  });

  test('a pipe that closes within a record is a fault', () => {
    writeSync(writeEnd, encodeLineEvent(event(1)).subarray(0, 40));
    closeWriter();
    expect(() => pollAndRead(readEnd, 1000, buffer)).toThrow(
      expect.objectContaining({ code: 'gpioIoFailed' }),
    );
  });

  test('a descriptor that is not open is a fault', () => {
    expect(() => pollAndRead(9999, 10, buffer)).toThrow(expect.objectContaining({ code: 'gpioIoFailed' }));
  });
});

test('a chip label that no chip has is named, with what to do', () => {
  expect(() => openChip('no-such-chip')).toThrow(
    expect.objectContaining({
      code: 'gpioChipMissing',
      message: expect.stringMatching(/'no-such-chip'.*configuration/s),
    }),
  );
});
