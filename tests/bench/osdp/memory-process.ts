import { randomBytes } from 'node:crypto';
import { OsdpBus } from '#bridge/readers/osdp/bus.ts';
import { VirtualClock } from '#tests/_support/osdp/virtual-clock.ts';
import { baudRate, keyOf, Letters, letterKinds, readers } from './memory-line.ts';

// The panel's bus with eight readers in virtual time, as fast as it goes: cards, keys, lamps, and a reader that loses its power
// now and then. Asked by message it plays so many frames more, and answers with what it has delivered. Of the readers nothing
// is in this process: they are in one of their own, behind the line.

export interface MemoryAnswer {
  readonly frames: number;
  readonly cards: number;
  /** What is in use after a collection, bytes. */
  readonly heapBytes: number;
}

const stepMs = 250;
const letters = Letters.ofPanel(process.argv[2] ?? '', process.argv[3] ?? '');
const clock = new VirtualClock();
const played = { frames: 0, cards: 0, steps: 0 };

const bus = new OsdpBus({
  readers: Array.from({ length: readers }, (_, address) => ({
    readerKey: `reader-${address}`,
    address,
    secureChannel: 'required',
    key: keyOf(address),
  })),
  baudRate,
  clock,
  random: randomBytes,
  hooks: {
    onRead: () => {
      played.cards += 1;
    },
    onKeys: () => undefined,
    onFault: () => undefined,
    onChange: () => undefined,
    newKey: () => randomBytes(16),
    onKeyPending: (_, __, stored) => stored(),
    onKeyRefused: () => undefined,
    onKeySet: () => undefined,
    onCommunication: () => undefined,
  },
});

function write(bytes: Uint8Array): void {
  played.frames += 1;
  letters.send(letterKinds.command, clock.now(), bytes);
  for (;;) {
    const letter = letters.receive();
    if (letter === null) throw new Error('the readers have ended');
    if (letter.kind === letterKinds.end) return;
    played.frames += 1;
    clock.later(letter.atMs - clock.now(), () => bus.onBytes(letter.bytes));
  }
}

bus.onOpen({ write, setBaudRate: () => undefined });

function playStep(): void {
  played.steps += 1;
  const readerKey = `reader-${played.steps % readers}`;
  letters.send(letterKinds.step, clock.now());
  bus.signal(readerKey, { led: played.steps % 3 === 0 ? 'denied' : 'granted' });
  bus.signal(readerKey, { buzzer: 'granted' });
  clock.advance(stepMs);
}

function answer(): void {
  global.gc?.();
  const { heapUsed } = process.memoryUsage();
  const { frames, cards } = played;
  const done: MemoryAnswer = { frames, cards, heapBytes: heapUsed };
  process.send?.(done);
}

function play(more: number): void {
  const until = played.frames + more;
  const slice = (): void => {
    for (let steps = 0; steps < 200 && played.frames < until; steps += 1) playStep();
    if (played.frames < until) setImmediate(slice);
    else answer();
  };
  slice();
}

process.on('message', (more) => play(Number(more)));
process.on('disconnect', () => process.exit(0));
