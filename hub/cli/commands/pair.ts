import { accepted, type Call, type Command, isRecord, recordsOf, textOf, UsageProblem } from '../command.ts';
import type { ControlStream, StreamedEvent } from '../control-stream.ts';
import { wrap } from '../finding-text.ts';

type Json = Readonly<Record<string, unknown>>;

const readersPath = '/api/access-control/readers';
const maxMinutes = 15;
/** The end of a pairing may be reported a little after it. */
const graceMs = 10_000;

/** Finds the reader by key, which must be unique unless --bridge is given. */
async function findReader(call: Call, key: string, bridge: string | undefined): Promise<Json> {
  const readers = recordsOf(accepted(await call('GET', readersPath)).items);
  const meant = readers.filter(
    (reader) => reader.key === key && (bridge === undefined || reader.bridgeName === bridge),
  );
  const [only, other] = meant;
  if (only !== undefined && other === undefined) return only;
  const named = (list: readonly Json[]): string =>
    list.map((reader) => `${textOf(reader.key)} of "${textOf(reader.bridgeName)}"`).join(', ') || 'none';
  throw new Error(
    only === undefined
      ? `There is no such reader; there are: ${named(readers)}.`
      : `Several controllers have this reader: name one by --bridge (${named(meant)}).`,
  );
}

function readMinutes(text: string | undefined): number {
  const minutes = Number(text ?? 5);
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > maxMinutes)
    throw new UsageProblem(`--minutes takes a whole number from 1 to ${maxMinutes}.`);
  return minutes;
}

const channelWords: Readonly<Record<string, string>> = {
  none: 'in the open',
  installKey: 'on the install key',
  ownKey: 'with a key of its own',
};

function progressLine({ link, channel, problem }: Json): string {
  const isUnreached = link !== 'online' && channel === 'none';
  const how = isUnreached ? 'no key yet' : (channelWords[textOf(channel)] ?? 'no secure channel');
  return `  ${textOf(link)}, ${how}${textOf(problem) === '' ? '' : `: ${textOf(problem)}`}`;
}

interface Ended {
  readonly paired: boolean;
  readonly why: string;
}

const endings = {
  refused:
    'The reader did not take the new key, so the one that it has stays in use. Put it into install mode, as its manual says, and run this again.',
  over: 'Pairing has ended and the reader has got no key. Put it into install mode and run this again.',
} as const;

/** When the last pairing of the reader ended, as its controller said; empty: none, or the controller does not say. */
const endedAt = (live: unknown): string =>
  isRecord(live) && isRecord(live.pairingEnded) ? textOf(live.pairingEnded.at) : '';

/** Tracks a pairing by the announcements of its reader; some from before the start may still arrive. */
function pairingOf(reader: Json, say: (line: string) => void): (event: StreamedEvent) => Ended | null {
  const before = isRecord(reader.live) ? reader.live.channel : null;
  const paired: Ended = { paired: true, why: `${textOf(reader.key)} has a key of its own now.` };
  const endedBefore = endedAt(reader.live);
  let isOpen = false;
  let told = '';
  return ({ topic, data }) => {
    if (topic === 'access.event') {
      const ofBridge = isRecord(data.bridge) && data.bridge.id === reader.bridgeId;
      return data.kind === 'readerPaired' && data.reader === reader.key && ofBridge ? paired : null;
    }
    if (topic !== 'reader.state' || data.readerId !== reader.id) return null;
    if (!isRecord(data.live))
      return {
        paired: false,
        why: 'The connection to the door controller was lost. Run this again when it is back.',
      };
    const { channel, pairingUntil, pairingEnded } = data.live;
    const progress = progressLine(data.live);
    if (progress !== told) say(progress);
    told = progress;
    const wasOpen = isOpen;
    isOpen = pairingUntil !== null;
    const hasSaid = endedAt(data.live) !== endedBefore;
    if (!isOpen && hasSaid && isRecord(pairingEnded)) {
      const outcome = textOf(pairingEnded.outcome);
      return outcome === 'paired'
        ? paired
        : { paired: false, why: outcome === 'refused' ? endings.refused : endings.over };
    }
    if (channel === 'ownKey' && (before !== 'ownKey' || (wasOpen && !isOpen))) return paired;
    if (!wasOpen || isOpen) return null;
    return { paired: false, why: endings.over };
  };
}

async function follow(
  stream: ControlStream,
  goesOn: ReturnType<typeof pairingOf>,
  timeoutMs: number,
): Promise<Ended> {
  let ended: Ended | null = null;
  const isEnd = (event: StreamedEvent): boolean => {
    ended = goesOn(event);
    return ended !== null;
  };
  await stream.next(isEnd, timeoutMs);
  return ended ?? { paired: false, why: 'Nothing was reported of the reader.' };
}

const steps = [
  'Reset the reader to its install key: by its configuration card or its button, as its manual says. A new one is on it.',
  'Make sure that nobody else is at the cable: now, and only now, the new key could be overheard.',
  'Wait. The controller gives the key as soon as it finds the reader. Ctrl-C ends the waiting, not the pairing.',
];

export const pair: Command = {
  usage: 'pair --reader KEY',
  summary: 'give a reader on a bus a key of its own',
  details: `Shows what to do and follows the reader until it has its key. Exit code 0 when it has, 1 when the time is over or it
is refused, 69 when no hub is running.`,
  options: {
    reader: { type: 'string', placeholder: 'KEY', help: 'the reader, by its key in bridge.yaml' },
    bridge: { type: 'string', placeholder: 'NAME', help: 'its door controller, where several have that key' },
    minutes: { type: 'string', placeholder: 'N', help: `for how long, 1 to ${maxMinutes} (5)` },
    cancel: { type: 'boolean', help: 'end a pairing that is under way' },
  },
  async run({ text, isSet, withHub, controlSocket, json, print }) {
    const key = text('reader');
    if (key === undefined) throw new UsageProblem('pair needs --reader.');
    const minutes = readMinutes(text('minutes'));
    const say = (line: string): void => {
      if (!json) print(line);
    };
    const { openControlStream } = await import('../control-stream.ts');
    return withHub(false, async (call) => {
      const reader = await findReader(call, key, text('bridge'));
      const path = `${readersPath}/${encodeURIComponent(textOf(reader.id))}`;
      if (isSet('cancel')) {
        const answer = accepted(await call('POST', `${path}/cancel-pairing`));
        print(json ? JSON.stringify(answer) : textOf(answer.sentence));
        return undefined;
      }
      const stream = await openControlStream(controlSocket);
      try {
        const begun = accepted(await call('POST', `${path}/pair`, { seconds: minutes * 60 }));
        say(textOf(begun.sentence));
        for (const [index, step] of steps.entries())
          for (const line of wrap(`${index + 1}. ${step}`, '  ')) say(line);
        const ended = await follow(stream, pairingOf(reader, say), minutes * 60_000 + graceMs);
        print(json ? JSON.stringify({ readerId: reader.id, ...ended }) : ended.why);
        return ended.paired ? 0 : 1;
      } finally {
        stream.close();
      }
    });
  },
};
