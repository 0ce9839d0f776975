/** Why a reader is not online, with the next step for the person who looks at the Readers page. */
export const osdpProblems = {
  lineClosed: 'The serial port is not open: is the USB adapter plugged in?',
  noAnswer:
    'The reader does not answer: check its power, address and baud rate, and whether A and B are exchanged.',
  connecting: 'The reader answers and is being connected.',
  notPaired:
    'The reader answers but has no key of its own yet: start pairing on this page, with the reader in install mode.',
  installKey:
    'The reader is back on the install key that everybody knows, as after a reset. Find out who reset it, then pair it again.',
  wrongKey:
    'The reader has another key than ours: reset it to the install key and pair it again. If nobody changed it, look at the cable.',
  secureChannelUnsupported:
    'The reader says that it has no secure channel. Switch it on in the reader (often a configuration card), or use another reader.',
  secureChannelRefused:
    'The reader refuses the secure channel with our key: put it into install mode and pair it.',
  keyRefused: 'The reader did not take its new key: put it into install mode and pair it again.',
  wrongMac:
    'What came was not sealed by the reader: heavy noise, two readers with one address, or somebody at the cable.',
  plainReply:
    'The reader answered in the open inside the secure channel: two readers with one address, or somebody at the cable.',
  malformedReply: 'The reader answers in a way that OSDP does not know: update its firmware.',
  sessionLost: 'The reader lost the session, as after a power cut; it is being connected again.',
} as const satisfies Readonly<Record<string, string>>;
export type OsdpProblem = keyof typeof osdpProblems;

/** What a reader does otherwise than the standard says. It is used all the same. */
export const osdpQuirks = {
  answersChecksum:
    'It answers with the one-byte checksum, not with the CRC of bridge.yaml: set crc to false there if all readers of this bus do.',
  answersCrc:
    'It answers with the CRC, not with the checksum of bridge.yaml: leave crc out there if all readers of this bus do.',
  wakesOnPoll: 'It answers nothing until it has been polled once, so it is found a little later.',
  noIdentity: 'It does not say who made it and which model it is.',
  openReplies:
    'It sends some answers sealed but not encrypted: nobody can forge them, but whoever is at the cable can read them.',
  openCardsRefused:
    'It sends cards or keys sealed but not encrypted, so they are not taken: update its firmware, or allow it with openCards in bridge.yaml if nobody can get at its cable.',
  emptyBlocks: 'It announces encrypted data and sends none.',
  unreadableReplies:
    'It sends sealed answers that cannot be decrypted, which are passed over: update its firmware.',
  surplusBytes: 'It sends more bytes than an answer has; the rest is passed over.',
  formattedKeys: 'It sends keys as formatted text.',
  refusesCommands:
    'It refuses something that it is asked or told, such as its levels, lamp or buzzer; that is left out.',
} as const satisfies Readonly<Record<string, string>>;
export type OsdpQuirk = keyof typeof osdpQuirks;
