import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pn532Driver, pn532Problems } from '#bridge/readers/pn532/driver.ts';
import { ackFrame, commandFrame, type Pn532Frame, pn532FrameParser } from '#bridge/readers/pn532/frame.ts';
import { pn532ConfigSchema } from '#bridge/readers/pn532/kind.ts';
import { identityOf, readOfUid, targetOfResponse } from '#bridge/readers/pn532/protocol.ts';
import { cardText, derivedReadings } from '#hub/domains/access/cards/format-rules.ts';
import { responseFrame } from '#tests/_support/readers/pn532-response.ts';
import { type NearCard, SimulatedPn532, targetData } from './simulated-pn532.ts';
import { chunksOf, Delivered, damagesOf, sizesArbitrary, VirtualClock } from './uart-fixtures.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const framesOf = (bytes: Uint8Array): readonly Pn532Frame[] => pn532FrameParser().push(bytes);
const targetOf = (card: NearCard) => targetOfResponse(Uint8Array.from(targetData(card)));
const textOf = (card: NearCard): string => {
  const outcome = targetOf(card);
  return outcome.kind === 'read' ? cardText(outcome.read) : outcome.kind === 'fault' ? outcome.fault : 'none';
};

const mifare: NearCard = { uid: [0xaa, 0x3f, 0x9b, 0x1a] };
const uidArbitrary = fc
  .constantFrom(4, 7, 10)
  .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
  .filter((uid) => uid[0] !== 0x08 && uid[0] !== 0x88 && uid.some((byte) => byte !== 0));
/** Numbers with the bytes of which frames are made: where they are torn, they look most like others. */
const frameLikeUidArbitrary = fc
  .constantFrom(4, 7, 10)
  .chain((length) =>
    fc.array(fc.constantFrom(0x00, 0xff, 0x01, 0x04, 0xd5, 0x4b), { minLength: length, maxLength: length }),
  )
  .filter((uid) => uid.some((byte) => byte !== 0));

describe('a frame', () => {
  test.each([
    ['SAMConfiguration', 0x14, [0x01, 0x14, 0x01], '00 00 ff 05 fb d4 14 01 14 01 02 00'],
    ['GetFirmwareVersion', 0x02, [], '00 00 ff 02 fe d4 02 2a 00'],
    ['InListPassiveTarget', 0x4a, [0x01, 0x00], '00 00 ff 04 fc d4 4a 01 00 e1 00'],
  ])('with the command %s is as in the manual', (_name, code, parameters, hex) => {
    expect(commandFrame(code, parameters)).toEqual(bytesOf(hex));
  });

  test('of each kind is told from the others', () => {
    const bytes = bytesOf(
      '00 00 ff 00 ff 00  00 00 ff ff 00 00  00 00 ff 01 ff 7f 81 00  00 00 ff 06 fa d5 03 32 01 06 07 e8 00',
    );
    expect(framesOf(bytes)).toEqual([
      { kind: 'ack' },
      { kind: 'nack' },
      { kind: 'error' },
      { kind: 'response', code: 0x02, data: bytesOf('32 01 06 07') },
    ]);
    expect(identityOf(bytesOf('32 01 06 07'))).toBe('PN532 firmware 1.6');
  });

  test('comes back whole in whatever pieces it arrives', () => {
    fc.assert(
      fc.property(fc.nat(0x7e), fc.uint8Array({ maxLength: 253 }), sizesArbitrary, (code, data, sizes) => {
        const parser = pn532FrameParser();
        const bytes = Uint8Array.from([...ackFrame, ...responseFrame(code, [...data])]);
        const frames = chunksOf(bytes, sizes).flatMap((chunk) => parser.push(chunk));
        expect(frames).toEqual([{ kind: 'ack' }, { kind: 'response', code, data }]);
      }),
    );
  });

  test('of the extended kind is refused at its header, and the frame after it is read', () => {
    const parser = pn532FrameParser();
    expect(parser.push(bytesOf('00 00 ff ff ff 01 09 f6 d5 4b'))[0]).toMatchObject({
      kind: 'damaged',
      why: 'length',
    });
    parser.reset();
    expect(parser.push(ackFrame)).toEqual([{ kind: 'ack' }]);
  });

  test('of our own direction is noise: the data wires touch each other', () => {
    expect(framesOf(commandFrame(0x4a, [1, 0]))).toMatchObject([{ kind: 'damaged', why: 'noise' }]);
  });

  test('with any bit flipped or any byte lost never gives another answer', () => {
    fc.assert(
      fc.property(fc.oneof(uidArbitrary, frameLikeUidArbitrary), (uid) => {
        const sent = responseFrame(0x4a, targetData({ uid: [...uid] }));
        const [whole] = framesOf(sent);
        for (const damaged of damagesOf(sent))
          for (const frame of framesOf(damaged)) if (frame.kind === 'response') expect(frame).toEqual(whole);
      }),
    );
  });

  test('that lost a 00 of its number is none, though its sum is right: what follows is not its end', () => {
    const sent = responseFrame(0x4a, targetData({ uid: [0x04, 0x00, 0x12, 0x34] }));
    const torn = sent.filter((_, index) => index !== 14);
    expect(torn.length).toBe(sent.length - 1);
    const parser = pn532FrameParser();
    expect(parser.push(torn)).toEqual([]);
    expect(parser.push(Uint8Array.of(0x55))).toMatchObject([{ kind: 'damaged', why: 'length' }]);
  });

  test('of arbitrary bytes never fails the parser', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(0x00, 0xff, 0x01, 0xd5), fc.nat(255)), { maxLength: 600 }),
        sizesArbitrary,
        (bytes, sizes) => {
          const parser = pn532FrameParser();
          for (const chunk of chunksOf(Uint8Array.from(bytes), sizes))
            for (const frame of parser.push(chunk))
              if (frame.kind === 'response') expect(frame.data.length).toBeLessThan(255);
        },
      ),
    );
  });
});

describe('a card', () => {
  test.each([
    ['four bytes, lowest first', mifare, 'uid4:1a9b3faa'],
    ['seven bytes as they are', { uid: [0x04, 0xaf, 0x68, 0xda, 0xc8, 0x5a, 0x80] }, 'uid7:04af68dac85a80'],
    ['ten bytes as raw bits', { uid: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }, 'raw:80:0102030405060708090a'],
    [
      'an ATS behind its number',
      { ...mifare, sak: 0x20, ats: [0x06, 0x75, 0x77, 0x81, 0x02, 0x80] },
      'uid4:1a9b3faa',
    ],
  ])('with %s is read', (_what, card, text) => {
    expect(textOf(card)).toBe(text);
  });

  test('gives with 26 and 34 bits what Wiegand readers give of it', () => {
    // 155:16298 is 9B3FAA, w34:29062:42526 is 7186A61E.
    // A phone shows AA:3F:9B:1A, a 26-bit reader sends 9B3FAA (monkeyboard/Wiegand-Protocol-Library-for-Arduino, issue 54);
    // an RC522 shows 1E:A6:86:71, a 34-bit reader sends 7186A61E (issue 56 there).
    const numbersOf = (uid: readonly number[]): string[] =>
      derivedReadings(readOfUid(Uint8Array.from(uid))).map(cardText);
    expect(numbersOf([0xaa, 0x3f, 0x9b, 0x1a])).toContain('155:16298');
    expect(numbersOf([0x1e, 0xa6, 0x86, 0x71])).toContain('w34:29062:42526');
  });

  test.each([
    ['a number that a phone makes up', { uid: [0x08, 0x12, 0x34, 0x56] }, 'randomUid'],
    ['a cascade tag instead of a number', { uid: [0x88, 0x04, 0xaf, 0x68] }, 'notACard'],
    ['a number that is not all of it', { ...mifare, sak: 0x04 }, 'notACard'],
    ['nothing but zeros', { uid: [0, 0, 0, 0] }, 'notACard'],
    ['five bytes', { uid: [1, 2, 3, 4, 5] }, 'unknownLength'],
    ['bytes behind its number', { ...mifare, ats: [0x02, 0x00] }, 'unknownLength'],
    ['an ATS of another length than it says', { ...mifare, sak: 0x20, ats: [0x03, 0x00] }, 'unknownLength'],
  ])('with %s is a fault', (_what, card, fault) => {
    expect(textOf(card)).toBe(fault);
  });

  test('is never found in an answer of arbitrary bytes that is not built as one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const outcome = targetOfResponse(data);
        if (outcome.kind === 'read') expect(data.length).toBeGreaterThanOrEqual(6 + outcome.read.bits / 8);
      }),
    );
  });
});

function started(prepare: (chip: SimulatedPn532) => void = () => undefined) {
  const clock = new VirtualClock();
  const delivered = new Delivered();
  const config = pn532ConfigSchema.parse({ kind: 'pn532', port: '/dev/ttyAMA0' });
  const driver = pn532Driver('front', config, delivered, clock);
  const chip = new SimulatedPn532(clock, (bytes) => driver.onBytes(bytes));
  prepare(chip);
  driver.onOpen(chip);
  const state = () => driver.report()[0];
  const texts = () => delivered.reads.map(cardText);
  return { clock, delivered, driver, chip, state, texts };
}

describe('the driver', () => {
  test('wakes the chip, sets it up, says what it is, and then looks for cards ten times a second', () => {
    const { clock, chip, state, delivered } = started();
    expect(state()).toMatchObject({ link: 'connecting', identity: null });
    clock.advance(50);
    expect(chip.commands).toEqual([0x14, 0x02, 0x32, 0x4a]);
    expect(state()).toMatchObject({ link: 'online', identity: 'PN532 firmware 1.6', problem: null });
    expect(delivered.changes).toBe(2);
    clock.advance(10_000);
    expect(chip.commands.length).toBeGreaterThan(80);
    expect(chip.commands.length).toBeLessThan(105);
    expect(state()).toMatchObject({ faultyFrames: 0, timeouts: 0 });
  });

  test.each([false, true])(
    'reads a card once while it lies there (answering every second look: %s)',
    (everySecondLook) => {
      const { clock, chip, texts } = started();
      chip.everySecondLook = everySecondLook;
      chip.card = mifare;
      clock.advance(60_000);
      expect(texts()).toEqual(['uid4:1a9b3faa']);
      chip.card = null;
      clock.advance(500);
      chip.card = mifare;
      clock.advance(500);
      expect(texts()).toHaveLength(1);
      chip.card = null;
      clock.advance(1300);
      chip.card = mifare;
      clock.advance(500);
      expect(texts()).toHaveLength(2);
    },
  );

  test('reports a phone once while it lies there, with a new number at each look, and never as a card', () => {
    const { clock, chip, delivered } = started();
    for (let look = 0; look < 50; look += 1) {
      chip.card = { uid: [0x08, look, 1, 2], sak: 0x20 };
      clock.advance(112);
    }
    expect(delivered.reads).toEqual([]);
    expect(delivered.faults).toEqual(['randomUid']);
  });

  test('is offline with the reason while no chip answers, tries each second, and finds it when it comes', () => {
    const { clock, chip, state, delivered } = started((each) => {
      each.powered = false;
    });
    clock.advance(1000);
    expect(state()).toMatchObject({ link: 'offline', problem: 'noAnswer' });
    expect(Object.keys(pn532Problems)).toContain(state()?.problem);
    clock.advance(60_000);
    expect(delivered.changes).toBe(2);
    chip.powered = true;
    chip.card = mifare;
    clock.advance(1500);
    expect(state()).toMatchObject({ link: 'online', problem: null });
    expect(delivered.reads).toHaveLength(1);
  });

  test('wakes and sets up again a chip whose supply failed for a moment', () => {
    const { clock, chip, state, texts } = started();
    clock.advance(500);
    chip.powerCycle();
    clock.advance(2000);
    expect(chip.wakeUps).toBeGreaterThan(1);
    expect(state()).toMatchObject({ link: 'online' });
    chip.card = mifare;
    clock.advance(500);
    expect(texts()).toEqual(['uid4:1a9b3faa']);
  });

  test('goes offline when the chip is pulled off its adapter, and online again with it', () => {
    const { clock, chip, state } = started();
    clock.advance(500);
    chip.powered = false;
    clock.advance(1500);
    expect(state()).toMatchObject({ link: 'offline', problem: 'noAnswer' });
    chip.powerCycle();
    chip.powered = true;
    clock.advance(2000);
    expect(state()).toMatchObject({ link: 'online' });
  });

  test('says that the answers are damaged when all of them are', () => {
    const { clock, state } = started((each) => {
      each.onWire = (frame) => frame.map((byte, index) => (index === 3 ? byte ^ 0x10 : byte));
    });
    clock.advance(2000);
    expect(state()).toMatchObject({ link: 'offline', problem: 'damagedAnswers' });
  });

  test('says so when the chip does not understand', () => {
    const { clock, state } = started((each) => {
      each.onWire = () => bytesOf('00 00 ff 01 ff 7f 81 00');
    });
    clock.advance(2000);
    expect(state()).toMatchObject({ link: 'offline', problem: 'refused' });
  });

  test('bears a stray byte before each acknowledgement', () => {
    const { clock, chip, state, texts } = started((each) => {
      each.onWire = (frame) => (frame.length === 6 ? Uint8Array.of(0xfe, ...frame) : frame);
    });
    chip.card = mifare;
    clock.advance(1000);
    expect(state()).toMatchObject({ link: 'online' });
    expect(texts()).toEqual(['uid4:1a9b3faa']);
  });
});

describe('the driver on a bad line', () => {
  test('reads the card, and no other, when any one byte of the conversation is lost or any bit of it flips', () => {
    fc.assert(
      fc.property(
        fc.oneof(uidArbitrary, frameLikeUidArbitrary),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(),
        (uid, frameNumber, damage) => {
          const card = { uid: [...uid] };
          const { clock, texts } = started((each) => {
            each.card = card;
            let frames = 0;
            each.onWire = (frame) => {
              frames += 1;
              if (frames !== frameNumber) return frame;
              const damages = [...damagesOf(frame)];
              return damages[damage % damages.length]!;
            };
          });
          clock.advance(3000);
          expect(texts()).toEqual([textOf(card)]);
        },
      ),
    );
  });

  test('never reads a card that is not there, whatever noise lies on the line', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.integer({ min: 0, max: 150 })), {
          maxLength: 40,
        }),
        uidArbitrary,
        (noise, uid) => {
          const card = { uid: [...uid] };
          const { clock, chip, driver, texts } = started();
          chip.card = card;
          for (const [bytes, pauseMs] of noise) {
            driver.onBytes(bytes);
            clock.advance(pauseMs);
          }
          clock.advance(3000);
          expect(new Set(texts())).toEqual(new Set([textOf(card)]));
        },
      ),
    );
  });

  test('passes over an answer that nobody asked for', () => {
    const { clock, driver, texts } = started();
    clock.advance(60);
    driver.onBytes(responseFrame(0x4a, targetData(mifare)));
    clock.advance(1000);
    expect(texts()).toEqual([]);
  });

  test('passes over an answer that comes before the acknowledgement: it is that of an attempt before', () => {
    const { clock, chip, driver, texts } = started();
    clock.advance(60);
    chip.powered = false;
    // The next look has been sent, and nothing has acknowledged it.
    clock.advance(110);
    driver.onBytes(responseFrame(0x4a, targetData(mifare)));
    clock.advance(50);
    expect(texts()).toEqual([]);
  });

  test('has no timers left when its port is closed or it is stopped, and begins anew with the port', () => {
    const { clock, chip, driver, state } = started();
    clock.advance(500);
    driver.onClosed();
    expect(clock.pending).toBe(0);
    expect(state()).toMatchObject({ link: 'offline', problem: 'portClosed' });
    driver.onOpen(chip);
    clock.advance(100);
    expect(state()).toMatchObject({ link: 'online' });
    driver.stop();
    chip.powerCycle();
    expect(clock.pending).toBe(0);
  });
});
