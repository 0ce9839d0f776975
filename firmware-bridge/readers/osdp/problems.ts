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
