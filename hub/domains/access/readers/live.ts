import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import type { ReaderState } from '../controllers/link-schema.ts';
import { readerId } from '../controllers/reader-id-schema.ts';
import { type AccessDeps } from '../deps.ts';
import { type ReaderLive } from './schema.ts';

/** What only counts on is announced at most so often for each bridge: a reader on a bus counts ten frames a second. */
const countersEveryMs = 1_000;

export const readerToLive = (reader: ReaderState): ReaderLive => ({
  kind: reader.kind,
  link: reader.link,
  problem: reader.problem,
  channel: reader.channel,
  pairingUntil: toIsoOrNull(reader.pairingUntilMs),
  pairingEnded:
    reader.pairingEnded === null
      ? null
      : { at: toIso(reader.pairingEnded.atMs), outcome: reader.pairingEnded.outcome },
  tamper: reader.tamper,
  powerFault: reader.powerFault,
  inputs: reader.inputs,
  outputs: reader.outputs,
  identity: reader.identity,
  quirks: reader.quirks,
  lastReadAt: toIsoOrNull(reader.lastReadMs),
  lastBits: reader.lastBits,
  lastKeysAt: toIsoOrNull(reader.lastKeysMs),
  goodFrames: reader.goodFrames,
  faultyFrames: reader.faultyFrames,
  parityFaults: reader.parityFaults,
  lostBits: reader.lostBits,
  timeouts: reader.timeouts,
});

/** What somebody who looks at the reader waits for: everything but counters and the last card. */
const pressingPart = (live: ReaderLive): string => {
  const { kind, link, problem, channel, pairingUntil, tamper, powerFault, inputs, outputs } = live;
  const { identity, quirks, pairingEnded } = live;
  const parts = [kind, link, problem, channel, pairingUntil, tamper, powerFault, inputs, outputs];
  return JSON.stringify([...parts, identity, quirks, pairingEnded]);
};

interface ReaderPlace {
  readonly bridgeId: string;
  readonly portalId: string;
  readonly key: string;
}

interface Said {
  readonly pressing: string;
  readonly whole: string;
}

export interface ReaderAnnouncer {
  /** Says what is new of a bridge's readers; what only counts on may have to wait, and is then asked for again. */
  announce(bridgeId: string): void;
  /** The bridge goes, and its readers with it. To be called while it is still there. */
  drop(bridgeId: string): void;
}

/** What of a connected bridge is needed here. */
interface BridgeOfReaders {
  readonly hello: {
    readonly portals: readonly { readonly key: string; readonly readers: readonly string[] }[];
  };
  readonly state: { readonly readers: readonly ReaderState[] } | null;
}

/** Tells pages of readers that changed. */
export function createReaderAnnouncer(
  deps: Pick<AccessDeps, 'announce' | 'after'> & {
    portalId(bridgeId: string, key: string): string | null;
    bridgeOf(bridgeId: string): BridgeOfReaders | null;
  },
): ReaderAnnouncer {
  const announced = new Map<string, Said>();
  /** Bridges whose counters were announced just now. */
  const resting = new Set<string>();

  const findPlaces = (bridgeId: string): readonly ReaderPlace[] =>
    (deps.bridgeOf(bridgeId)?.hello.portals ?? []).flatMap((portal) => {
      const portalId = deps.portalId(bridgeId, portal.key);
      return portalId === null ? [] : portal.readers.map((key) => ({ bridgeId, portalId, key }));
    });

  function say(place: ReaderPlace, live: ReaderLive | null): void {
    const { bridgeId, portalId, key } = place;
    deps.announce({
      topic: 'reader.state',
      data: { readerId: readerId(bridgeId, key), key, bridgeId, portalId, connected: live !== null, live },
    });
  }

  function rest(bridgeId: string): void {
    resting.add(bridgeId);
    deps.after(countersEveryMs, () => {
      resting.delete(bridgeId);
      announce(bridgeId);
    });
  }

  function announce(bridgeId: string): void {
    const isResting = resting.has(bridgeId);
    let counted = false;
    const states = new Map(
      (deps.bridgeOf(bridgeId)?.state?.readers ?? []).map((state) => [state.key, state]),
    );
    for (const place of findPlaces(bridgeId)) {
      const state = states.get(place.key);
      if (state === undefined) continue;
      const live = readerToLive(state);
      const id = readerId(bridgeId, place.key);
      const said = announced.get(id);
      const now = { pressing: pressingPart(live), whole: JSON.stringify(live) };
      if (said?.whole === now.whole) continue;
      if (said?.pressing === now.pressing) {
        if (isResting) continue;
        counted = true;
      }
      announced.set(id, now);
      say(place, live);
    }
    if (counted) rest(bridgeId);
  }

  return {
    announce,
    drop(bridgeId) {
      for (const place of findPlaces(bridgeId)) {
        announced.delete(readerId(bridgeId, place.key));
        say(place, null);
      }
    },
  };
}
