import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { SharedPlaces } from '#hub/platform/shared-places.ts';

/** Too many passwords are being hashed already; the caller should retry. */
export interface HasherBusy extends Refusal<'signInBusy'> {
  readonly retryAfterSeconds: number;
}

export interface PasswordParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/** On whose account a place in the hasher goes. */
export interface HasherClaim {
  readonly peer: string;
  /** Somebody has signed in from there before: goes first, and finds a place when strangers have taken theirs. */
  readonly isKnown: boolean;
}

export interface PasswordHasher {
  /** Hashes a password with a fresh salt; returns a PHC string. */
  hash(password: string): Promise<Result<string, HasherBusy>>;
  /**
   * Whether the password is the one behind `phc`; null (no such account) costs the same time and never matches.
   * `stale`: it was hashed with other parameters than today's, and should be hashed anew.
   */
  verify(
    phc: string | null,
    password: string,
    /** Without it for the hub itself. */
    claim?: HasherClaim,
  ): Promise<Result<{ readonly matches: boolean; readonly stale: boolean }, HasherBusy>>;
}

/** OWASP's choice for argon2id: 19 MiB, two passes, one lane. */
export const passwordParameters: PasswordParameters = { memoryKiB: 19 * 1024, passes: 2, lanes: 1 };

const saltBytes = 16;
const tagBytes = 32;
/** On two cores, so that the doors' Workers keep one; 38 MiB at the most. */
const maxRunning = 2;
/** Of them for sign-ins from where nobody is known: guessing leaves a core to everything else. */
const maxOfStrangers = 1;
/** Places in all, running or waiting; those of strangers; those of one peer. */
const places = { all: 26, strangers: 20, peer: 6 } as const;

const derive = promisify(argon2);

interface ParsedPhc {
  readonly parameters: PasswordParameters;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Parses a PHC string of argon2id, version 19; null for anything else. */
function parsePhc(phc: string): ParsedPhc | null {
  const [, memory, passes, lanes, salt, tag] = phcPattern.exec(phc) ?? [];
  if (memory === undefined || salt === undefined || tag === undefined) return null;
  return {
    parameters: { memoryKiB: Number(memory), passes: Number(passes), lanes: Number(lanes) },
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

function printPhc({ parameters, salt, tag }: ParsedPhc): string {
  const { memoryKiB, passes, lanes } = parameters;
  const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(tag)}`;
}

/** The same characters typed on another keyboard give the same bytes. */
async function deriveTag(
  password: string,
  salt: Buffer,
  parameters: PasswordParameters,
  length: number,
): Promise<Buffer> {
  return await derive('argon2id', {
    message: password.normalize('NFKC'),
    nonce: salt,
    parallelism: parameters.lanes,
    tagLength: length,
    memory: parameters.memoryKiB,
    passes: parameters.passes,
  });
}

/** Runs at most `maxRunning` at a time, known devices first; null where there is no place left for the claim. */
function createGate(): <T>(work: () => Promise<T>, claim: HasherClaim | null) => Promise<T | null> {
  const shared = new SharedPlaces(places.all);
  const waiting = { known: new Array<() => void>(), strangers: new Array<() => void>() };
  const running = { known: 0, strangers: 0 };
  const mayRun = (who: keyof typeof running): boolean =>
    running.known + running.strangers < maxRunning && (who === 'known' || running.strangers < maxOfStrangers);
  const wakeNext = (): void => {
    for (const who of ['known', 'strangers'] as const)
      while (waiting[who].length > 0 && mayRun(who)) {
        running[who] += 1;
        waiting[who].shift()?.();
      }
  };
  return async (work, claim) => {
    const who = claim === null || claim.isKnown ? 'known' : 'strangers';
    const giveBack = shared.take([
      ...(claim === null ? [] : [{ name: `peer ${claim.peer}`, share: places.peer }]),
      ...(who === 'known' ? [] : [{ name: 'strangers', share: places.strangers }]),
    ]);
    if (giveBack === null) return null;
    // Whoever is woken is counted as running already.
    if (mayRun(who)) running[who] += 1;
    else await new Promise<void>((resolve) => waiting[who].push(resolve));
    try {
      return await work();
    } finally {
      giveBack();
      running[who] -= 1;
      wakeNext();
    }
  };
}

/** argon2id by Node itself, off the main thread, bounded in how much runs and how much waits. */
export function createPasswordHasher(parameters: PasswordParameters = passwordParameters): PasswordHasher {
  const gate = createGate();
  const busy = refuse<HasherBusy>({ code: 'signInBusy', retryAfterSeconds: 5 });
  const nobody: ParsedPhc = { parameters, salt: randomBytes(saltBytes), tag: randomBytes(tagBytes) };
  return {
    async hash(password) {
      const salt = randomBytes(saltBytes);
      const tag = await gate(() => deriveTag(password, salt, parameters, tagBytes), null);
      return tag === null ? busy : ok(printPhc({ parameters, salt, tag }));
    },
    async verify(phc, password, claim) {
      const known = phc === null ? null : parsePhc(phc);
      const target = known ?? nobody;
      const tag = await gate(
        () => deriveTag(password, target.salt, target.parameters, target.tag.length),
        claim ?? null,
      );
      if (tag === null) return busy;
      const matches = timingSafeEqual(tag, target.tag) && known !== null;
      return ok({ matches, stale: known !== null && !sameParameters(known, parameters) });
    },
  };
}

function sameParameters(known: ParsedPhc, wanted: PasswordParameters): boolean {
  const { memoryKiB, passes, lanes } = known.parameters;
  return (
    memoryKiB === wanted.memoryKiB &&
    passes === wanted.passes &&
    lanes === wanted.lanes &&
    known.tag.length === tagBytes
  );
}
