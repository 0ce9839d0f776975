import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import { BusSimulator } from '#tests/_support/osdp/bus-simulator.ts';
import { SimulatedPeripheral } from '#tests/_support/osdp/peripheral.ts';
import { VirtualClock } from '#tests/_support/osdp/virtual-clock.ts';
import { cardNumber } from '#tests/bridge/policy/fixtures.ts';
import { baudRate, keyOf, Letters, letterKinds, readers } from './memory-line.ts';

// The simulated readers of the memory bench, in a process of their own: what they hold is not the product's. Each step brings
// a card, some bring keys, and now and then a reader loses its power.

const letters = Letters.ofReaders(process.argv[2] ?? '', process.argv[3] ?? '');
const clock = new VirtualClock();
const peripherals = Array.from(
  { length: readers },
  (_, address) =>
    new SimulatedPeripheral({
      address,
      baudRate,
      ownKey: keyOf(address),
      now: clock.now,
      seed: address + 1,
    }),
);
const line = new BusSimulator({
  clock,
  peripherals,
  baudRate,
  // A reply is handed over whole, at its end, as a USB adapter does.
  chunkBytes: 2000,
  deliver: (bytes) => letters.send(letterKinds.reply, clock.now(), bytes),
});

let step = 0;

function playStep(): void {
  step += 1;
  const reader = peripherals[step % readers];
  const { hex, bits } = cardNumber(step % 5000);
  reader?.presentCard(hexToBits(hex, bits).join(''), 1);
  if (step % 7 === 0) reader?.pressKeys('123#');
  if (step % 400 === 0) reader?.powerCycle();
  for (const { commands, violations, device } of peripherals) {
    commands.length = 0;
    violations.length = 0;
    device.ledCommands.length = 0;
    device.buzzes.length = 0;
  }
}

for (let letter = letters.receive(); letter !== null; letter = letters.receive()) {
  // Replies were played to their end, which may be past the moment of a step.
  clock.advance(Math.max(0, letter.atMs - clock.now()));
  if (letter.kind === letterKinds.step) {
    playStep();
    continue;
  }
  line.write(letter.bytes);
  clock.playOut();
  letters.send(letterKinds.end, clock.now());
}
