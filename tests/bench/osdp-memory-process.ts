import { hexToBits } from '#hub/domains/access/card-rules.ts';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import { cardNumber } from '#tests/bridge/policy-fixtures.ts';

// Eight readers on the panel's bus in virtual time, as fast as it goes: cards, keys, lamps, and a reader that loses its power
// now and then. Asked by message it plays so many frames more, and answers with what it has delivered.

export interface MemoryAnswer {
  readonly frames: number;
  readonly cards: number;
  /** What is in use after a collection, bytes. */
  readonly heapBytes: number;
}

const readers = 8;
const stepMs = 250;
const line = new VirtualBus({ readers, baudRate: 115_200, secure: true, seed: 1 });
let step = 0;
let cards = 0;

function playStep(): void {
  step += 1;
  const address = step % readers;
  const reader = line.peripherals[address];
  const { hex, bits } = cardNumber(step % 5000);
  reader?.presentCard(hexToBits(hex, bits).join(''), 1);
  line.bus.signal(`reader-${address}`, { led: step % 3 === 0 ? 'denied' : 'granted' });
  line.bus.signal(`reader-${address}`, { buzzer: 'granted' });
  if (step % 7 === 0) reader?.pressKeys('123#');
  if (step % 400 === 0) reader?.powerCycle();
  line.clock.advance(stepMs);
  cards += line.reads.length;
  line.forget();
}

function answer(): void {
  global.gc?.();
  const { heapUsed } = process.memoryUsage();
  const done: MemoryAnswer = { frames: line.commands + line.replies, cards, heapBytes: heapUsed };
  process.send?.(done);
}

function play(frames: number): void {
  const until = line.commands + line.replies + frames;
  const slice = (): void => {
    for (let steps = 0; steps < 200 && line.commands + line.replies < until; steps += 1) playStep();
    if (line.commands + line.replies < until) setImmediate(slice);
    else answer();
  };
  slice();
}

process.on('message', (frames) => play(Number(frames)));
process.on('disconnect', () => process.exit(0));
