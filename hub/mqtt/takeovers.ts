/** Connections that use one client id and end each other. */
export interface ClientIdFight {
  readonly username: string;
  readonly clientId: string;
  readonly addresses: readonly string[];
  /** How often one took over from another within the last ten minutes. */
  readonly takeovers: number;
}

const windowMs = 10 * 60_000;
/** A device that reconnects before its old connection has ended takes over now and then. */
const minTakeovers = 5;
/** Client ids that are watched; the longest quiet one goes first. */
const maxWatched = 200;
const maxAddresses = 5;

interface Watched {
  readonly username: string;
  readonly clientId: string;
  readonly addresses: Set<string>;
  atMs: number[];
}

/** Counts how often a connection takes the client id of another over that is still there. */
export class Takeovers {
  readonly #monotonicMs: () => number;
  readonly #byId = new Map<string, Watched>();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  note(username: string, clientId: string, addresses: readonly string[]): void {
    const id = `${username}:${clientId}`;
    const nowMs = this.#monotonicMs();
    const watched = this.#byId.get(id) ?? { username, clientId, addresses: new Set<string>(), atMs: [] };
    watched.atMs = [...watched.atMs.filter((atMs) => nowMs - atMs < windowMs), nowMs].slice(-100);
    for (const address of addresses)
      if (watched.addresses.size < maxAddresses) watched.addresses.add(address);
    this.#byId.delete(id);
    this.#byId.set(id, watched);
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > maxWatched && oldest !== undefined) this.#byId.delete(oldest);
  }

  /** Those that go on now. */
  fights(): readonly ClientIdFight[] {
    const nowMs = this.#monotonicMs();
    return [...this.#byId.values()]
      .map(({ username, clientId, addresses, atMs }) => ({
        username,
        clientId,
        addresses: [...addresses],
        takeovers: atMs.filter((at) => nowMs - at < windowMs).length,
      }))
      .filter(({ takeovers }) => takeovers >= minTakeovers);
  }
}
