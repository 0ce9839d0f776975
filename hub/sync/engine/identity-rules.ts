/** The identity of this hub according to both sides. */
export interface IdentityFacts {
  readonly link: {
    readonly epoch: number;
    /** Up to which operation the centre had everything, as was last heard. */
    readonly acked: number;
    /** A person wants this machine to go on, whatever was between. */
    readonly isApproved: boolean;
  };
  readonly hello: {
    readonly epoch: number;
    readonly lastSeq: number;
    readonly chain: string;
    /** The machine that the centre's epoch belongs to. */
    readonly instance: string;
  };
  /** This machine. */
  readonly instance: string;
  /** Our chain at the centre's last operation; null when ours does not reach there, or no longer. */
  readonly chainThere: string | null;
}

/**
 * `goOn`: both agree. `adopt`: the centre began an epoch for us and its answer was lost. `rewind`: this store, or the
 * centre's, was put back to an earlier state, so another epoch begins. `fenced`: another machine took over. `machineChanged`:
 * this store runs on another machine than it did. The last two are for a person to decide.
 */
export type IdentityDecision = 'goOn' | 'adopt' | 'rewind' | 'fenced' | 'machineChanged';

export function decideIdentity({ link, hello, instance, chainThere }: IdentityFacts): IdentityDecision {
  const isMine = hello.instance === instance;
  if (link.isApproved) return 'rewind';
  if (hello.epoch !== link.epoch) {
    if (!isMine) return hello.epoch > link.epoch ? 'fenced' : 'machineChanged';
    return hello.epoch === link.epoch + 1 && chainThere === hello.chain ? 'adopt' : 'rewind';
  }
  if (!isMine) return 'machineChanged';
  return chainThere === hello.chain ? 'goOn' : 'rewind';
}
