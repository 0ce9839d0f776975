import type { z } from 'zod';
import type { Finding } from '#hub/kernel/finding.ts';
import type { ReaderKind, readerChannelSchema, readerLinkSchema } from '../schema.ts';

/** A long cable or a hand that draws the card away spoils a read now and then. */
const noisyFrames = 20;
const noisyShare = 0.1;

/** What a reader says of itself, and what it counted since its controller was started. */
export interface ReaderFacts {
  readonly key: string;
  readonly kind: ReaderKind;
  readonly link: z.infer<typeof readerLinkSchema>;
  readonly channel: z.infer<typeof readerChannelSchema> | null;
  readonly pairingUntilMs: number | null;
  readonly tamper: boolean | null;
  readonly powerFault: boolean | null;
  readonly goodFrames: number;
  readonly faultyFrames: number;
  readonly parityFaults: number;
  readonly lostBits: number;
  readonly timeouts: number;
}

interface BridgeName {
  readonly id: string;
  readonly name: string;
}

/** Where to look when much of what a kind of reader sends arrives damaged. */
const cableHelp: Readonly<Record<ReaderKind, string>> = {
  wiegand:
    "Check the reader's cable: D0 and D1 not swapped, ground connected, no mains cable beside it, level shifter in place.",
  osdp: 'Check the bus: ground connected, 120 ohm between A and B at both ends of the cable and nowhere else, no two readers with one address, no mains cable beside it. A long cable needs 9600 baud.',
  rdm6300:
    "Check the module's wires: ground connected, level shifter between its TX and the Pi, its coil away from metal and from the supply's wires.",
  pn532: "Check the module's wires: below 50 cm, ground connected, both switches set to HSU.",
  wedge:
    'Check the cable, and that speed and `reads` in the bridge.yaml of its controller are what the reader is set to.',
};

function noiseFinding(reader: ReaderFacts, bridge: BridgeName): Finding | null {
  const { key, kind, goodFrames, faultyFrames, parityFaults, lostBits, timeouts } = reader;
  const all = goodFrames + faultyFrames;
  if (faultyFrames < noisyFrames || faultyFrames < all * noisyShare) return null;
  const evidence =
    kind === 'wiegand'
      ? `read ${faultyFrames} of ${all} cards wrong since its controller was started (${lostBits} bits lost)`
      : `sent ${faultyFrames} of ${all} messages that arrived damaged since its controller was started (${parityFaults} with a wrong check sum, ${timeouts} time-outs)`;
  return {
    id: `reader.noisy:${bridge.id}:${key}`.slice(0, 100),
    severity: 'warning',
    evidence: `The reader "${key}" of "${bridge.name}" ${evidence}.`,
    fix: cableHelp[kind],
  };
}

function hardwareFindings({ key, tamper, powerFault }: ReaderFacts, bridge: BridgeName): readonly Finding[] {
  const found: Finding[] = [];
  if (tamper === true)
    found.push({
      id: `reader.tamper:${bridge.id}:${key}`.slice(0, 100),
      severity: 'error',
      evidence: `The reader "${key}" of "${bridge.name}" says that its housing is open or that it was taken off the wall.`,
      fix: 'Look at the reader and at its cable now: somebody may have put something in between. Then close its housing.',
    });
  if (powerFault === true)
    found.push({
      id: `reader.power:${bridge.id}:${key}`.slice(0, 100),
      severity: 'warning',
      evidence: `The reader "${key}" of "${bridge.name}" says that its supply is not sound.`,
      fix: 'Measure the voltage at the reader while its lamp is on, and compare it with its label; a long or thin cable loses some of it.',
    });
  return found;
}

function channelFindings(reader: ReaderFacts, bridge: BridgeName): readonly Finding[] {
  const { key, kind, link, channel, pairingUntilMs } = reader;
  if (channel === 'installKey' && pairingUntilMs === null)
    return [
      {
        id: `reader.installKey:${bridge.id}:${key}`.slice(0, 100),
        severity: 'error',
        evidence: `The reader "${key}" of "${bridge.name}" is on the install key, which everybody knows.`,
        fix: 'Pair it: Settings, Readers, Pair. If it had a key of its own before, find out who reset it.',
      },
    ];
  if (kind === 'osdp' && channel === 'none' && link === 'online')
    return [
      {
        id: `reader.plain:${bridge.id}:${key}`.slice(0, 100),
        severity: 'info',
        evidence: `The reader "${key}" of "${bridge.name}" speaks in the open: whoever gets at its cable can record cards and play them back.`,
        fix: 'Set secureChannel to required in the bridge.yaml of its controller and pair the reader. If it has no secure channel, protect its cable or replace it.',
      },
    ];
  return [];
}

/** What is wrong with one reader. That it cannot be reached its controller says itself. */
export function readerFindings(reader: ReaderFacts, bridge: BridgeName): readonly Finding[] {
  const noise = noiseFinding(reader, bridge);
  return [
    ...hardwareFindings(reader, bridge),
    ...channelFindings(reader, bridge),
    ...(noise === null ? [] : [noise]),
  ];
}
