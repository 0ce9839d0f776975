import { describe, expect, it } from 'vitest';
import { SimulatedPeripheral } from '#tests/_support/osdp/peripheral.ts';
import type { PeripheralOptions } from '#tests/_support/osdp/peripheral-options.ts';

/*
 * The simulator against bytes that were made without it: the CRCs with Python's binascii.crc_hqx, the AES blocks with
 * openssl, put together by hand from the design page.
 */
const poll = ['530008000460ebaa', '530008000560da99', '53000800066089cc', '530008000760b8ff'] as const;
const ack = ['53800800044059ac', '538008000540689f', '5380080006403bca'] as const;
const rawReply = '53801000055000011a006caaf0c091c4';
const card = '01101100101010101111000011';
const key = 'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf';

const challenge = '530013000d03110076b0b1b2b3b4b5b6b73177';
const clientCryptogram =
  '53802b000d031200764d4b430102000000a0a1a2a3a4a5a6a7fde5d2f428ec16312471ea3c02bd779613b6';
const serverCryptogram = '53001b000e0313007726d3356e07762d262801fc8e6665a89140b4';
const initialMac = '53801b000e03140178b2a30057eb98ba2229ec1f875662b5246eeb';
const securePoll = '53000e000f02156069bdc654e136';
const secureAck = '53800e000f021640f9baff9d78cd';
const secureKeyset =
  '53002e000d02177576baaed3ae8c7d163e98dcb0cdc3e4a1ed87828833883490182d051b921f3f9d956f332e60e7';
const secureKeysetAck = '53800e000d021640baf99f80d53b';
const securePoll2 = '53000e000e02156024719b5e17ac';
const secureRaw = '53801e000e0218509d99ec931cce160d1de9964a6552e7e2533f68602b8a';

const randomB = Uint8Array.from(Buffer.from('a0a1a2a3a4a5a6a7', 'hex'));

function reader(options: Partial<PeripheralOptions> = {}) {
  const peripheral = new SimulatedPeripheral({ now: () => 0, randomBytes: () => randomB, ...options });
  /** Hex in, hex out; '' is silence. */
  const say = (command: string): string =>
    Buffer.from(peripheral.receive(Uint8Array.from(Buffer.from(command, 'hex'))) ?? []).toString('hex');
  return { peripheral, say };
}

function secureReader(options: Partial<PeripheralOptions> = {}) {
  const made = reader(options);
  for (const command of [poll[0], challenge, serverCryptogram]) made.say(command);
  return made;
}

describe('the link of the simulated OSDP reader', () => {
  it('answers polls with the numbers 0, 1, 2, 3, 1', () => {
    const { peripheral, say } = reader();
    expect([0, 1, 2].map((index) => say(poll[index]!))).toEqual([...ack]);
    expect(say(poll[3])).toMatch(/^5380080007/);
    expect(say(poll[1])).toBe(ack[1]);
    expect(peripheral.violations).toEqual([]);
  });

  it('answers a checksum with a checksum', () => {
    expect(reader().say('53000700006046')).toBe('538007000040e6');
  });

  it('passes over the mark byte, and sends one when it is made so', () => {
    expect(reader({ leadingMark: true }).say(`ff${poll[0]}`)).toBe(`ff${ack[0]}`);
  });

  it('is silent for another address, and for a reply of its own', () => {
    expect(reader({ address: 5 }).say(poll[0])).toBe('');
    expect(reader().say(ack[0])).toBe('');
  });

  it('tells who it is, also to the broadcast address', () => {
    expect(reader().say('53000900046100c066')).toBe('5380140004454d4b43010200000010010203efc0');
    expect(reader().say('537f09000461005fe6')).toBe('53ff140004454d4b43010200000010010203566f');
  });

  it('repeats its last reply for the same number and does the command once', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.presentCard(card, 1);
    expect(say(poll[1])).toBe(rawReply);
    expect(say(poll[1])).toBe(rawReply);
    expect(say(poll[2])).toBe(ack[2]);
    expect(peripheral.commands).toHaveLength(3);
  });

  it('refuses a wrong number with NAK 4 and goes on from where it was', () => {
    const { peripheral, say } = reader();
    expect(say(poll[1])).toBe('53800900054104b2c3');
    say(poll[0]);
    expect(say(poll[2])).toBe('53800900064104e29a');
    expect(say(poll[1])).toBe(ack[1]);
    expect(peripheral.violations).toEqual(['number 2 where 1 is next']);
  });

  it('answers a broken check with NAK 1 and takes the retry as new', () => {
    const { say } = reader();
    say(poll[0]);
    expect(say('530008000560da98')).toBe('538009000541011793');
    expect(say(poll[1])).toBe(ack[1]);
  });

  it('answers an unknown command with NAK 3 and wrong data with NAK 2', () => {
    expect(reader().say('53000700007333')).toMatch(/^53800800004103/);
    expect(reader().say('53000700006a3c')).toMatch(/^53800800004102/);
  });

  it('forgets the session after eight silent seconds', () => {
    let nowMs = 0;
    const { say } = reader({ now: () => nowMs });
    say(poll[0]);
    nowMs = 8000;
    expect(say(poll[1])).toBe(ack[1]);
    nowMs += 8001;
    expect(say(poll[2])).toBe('53800900064104e29a');
  });

  it('delivers one event a poll: keys with # as return, then its tamper', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.tamper(true);
    peripheral.pressKeys('1234#');
    expect(say(poll[1])).toBe('53800a0005480100abf4');
    expect(say(poll[2])).toBe('53800f0006530005313233340d3f15');
  });
});

describe('the secure channel of the simulated OSDP reader', () => {
  it("shakes hands as in the standard's annex, with the default key", () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    expect(say(challenge)).toBe(clientCryptogram);
    expect(say(serverCryptogram)).toBe(initialMac);
    expect(peripheral.secure).toBe(true);
    expect(say(securePoll)).toBe(secureAck);
  });

  it('takes a new key in the channel, then sends a card encrypted', () => {
    const { peripheral, say } = secureReader();
    say(securePoll);
    expect(say(secureKeyset)).toBe(secureKeysetAck);
    expect(Buffer.from(peripheral.ownKey!).toString('hex')).toBe(key);
    peripheral.presentCard(card, 1);
    expect(say(securePoll2)).toBe(secureRaw);
    expect(peripheral.violations).toEqual([]);
  });

  it('keeps its key over a power cycle and refuses the default key from then on', () => {
    const { peripheral, say } = secureReader();
    say(securePoll);
    say(secureKeyset);
    peripheral.powerCycle();
    expect(Buffer.from(peripheral.ownKey!).toString('hex')).toBe(key);
    say(poll[0]);
    expect(say(challenge)).toMatch(/^53800900054106/);
  });

  it('loses the channel with number 0', () => {
    const { peripheral, say } = secureReader();
    expect(say(poll[0])).toBe(ack[0]);
    expect(peripheral.secure).toBe(false);
  });

  it('closes the channel on a wrong MAC and on a plain command', () => {
    const forged = secureReader();
    expect(forged.say('53000e000f02156068bdc6545540')).toMatch(/^53800900074106/);
    expect(forged.peripheral.violations).toEqual(['a wrong MAC']);
    const plain = secureReader();
    expect(plain.say(poll[3])).toMatch(/^53800900074106/);
    expect(plain.peripheral.secure).toBe(false);
    expect(plain.peripheral.violations).toEqual(['a plain command in a secure channel']);
  });

  it('keeps cards back from a plain line when it has its own key, but says that it was opened', () => {
    const { peripheral, say } = reader({ ownKey: Uint8Array.from(Buffer.from(key, 'hex')) });
    say(poll[0]);
    peripheral.presentCard(card);
    expect(say(poll[1])).toBe(ack[1]);
    peripheral.tamper(true);
    expect(say(poll[2])).toMatch(/^53800a0006480100/);
  });

  it('answers nothing in the clear but its identity when it needs the channel for everything', () => {
    const { say } = reader({ secureFor: 'everything' });
    expect(say('53000900046100c066')).toMatch(/^538014000445/);
    expect(say(poll[1])).toMatch(/^53800900054106/);
  });
});

describe('the faults of the simulated OSDP reader', () => {
  it('is busy as often as asked, plain and with number 0, and then does the command', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.faults.add({ kind: 'busy', times: 2 });
    expect([say(poll[1]), say(poll[1]), say(poll[1])]).toEqual([
      '538008000479230b',
      '538008000479230b',
      ack[1],
    ]);
  });

  it('loses a reply after it did the command, or does not hear it at all', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.presentCard(card, 1);
    peripheral.faults.add({ kind: 'deaf' });
    expect(say(poll[1])).toBe('');
    expect(peripheral.device.waitingEvents).toBe(1);
    peripheral.faults.add({ kind: 'dropReply' });
    expect(say(poll[1])).toBe('');
    expect(peripheral.device.waitingEvents).toBe(0);
    expect(say(poll[1])).toBe(rawReply);
  });

  it('sends a whole frame under a wrong number or address, and the right one on the retry', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.faults.add({ kind: 'wrongSequence' });
    expect(say(poll[1])).toBe(ack[2]);
    expect(say(poll[1])).toBe(ack[1]);
    peripheral.faults.add({ kind: 'wrongAddress', address: 9 });
    expect(say(poll[2])).toMatch(/^538908000640/);
  });

  it('damages bytes where it is told, or by its seed', () => {
    const { peripheral, say } = reader();
    say(poll[0]);
    peripheral.faults.add({ kind: 'flipByte', at: 5, mask: 1 });
    peripheral.faults.add({ kind: 'garbage', hex: '530a' });
    expect(say(poll[1])).toBe(`530a${ack[1].replace('0540', '0541')}`);
    peripheral.faults.add({ kind: 'dropByte', at: 0 });
    expect(say(poll[2])).toBe(ack[2].slice(2));
    const bySeed = (seed: number): string => {
      const one = reader({ seed });
      one.peripheral.faults.add({ kind: 'flipByte' });
      return one.say(poll[0]);
    };
    expect(bySeed(3)).toBe(bySeed(3));
    expect(bySeed(3)).not.toBe(ack[0]);
  });

  it('replays an earlier reply, with its old number and MAC', () => {
    const { peripheral, say } = secureReader();
    say(securePoll);
    peripheral.faults.add({ kind: 'replay', back: 1 });
    expect(say(secureKeyset)).toBe(secureAck);
  });

  it('takes a key without ever saying so', () => {
    const { peripheral, say } = secureReader();
    say(securePoll);
    peripheral.faults.add({ kind: 'silentKeyset', times: 'always' });
    expect([say(secureKeyset), say(secureKeyset)]).toEqual(['', '']);
    expect(Buffer.from(peripheral.ownKey!).toString('hex')).toBe(key);
  });

  it('pretends to have no secure channel, or uses a key that nobody knows', () => {
    const { peripheral, say } = reader();
    peripheral.faults.add({ kind: 'refuseSecurity' });
    say(poll[0]);
    expect(say(challenge)).toMatch(/^53800900054105/);
    const other = reader();
    other.peripheral.faults.add({ kind: 'wrongKey' });
    other.say(poll[0]);
    expect(other.say(challenge)).toMatch(/^53802b000d031200764d4b43/);
    expect(other.say(serverCryptogram)).toMatch(/^53800900064106/);
  });

  it('strikes only the commands it is meant for, after those it lets pass', () => {
    const { peripheral, say } = reader();
    peripheral.faults.add({ kind: 'dropReply', on: 0x60, skip: 1 });
    expect(say('53000900046100c066')).not.toBe('');
    expect(say(poll[1])).not.toBe('');
    expect(say(poll[2])).toBe('');
    expect(peripheral.faults.pending).toEqual([]);
  });
});
