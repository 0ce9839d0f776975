import type { Actor } from '#hub/domains/identity/schema.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { CardRead } from '../schema.ts';
import type { CardDeps } from './deps.ts';
import { maskedCardText } from './format-rules.ts';
import { countReadings, findCredential, findReadingOwners } from './repository.ts';
import {
  type AlreadyEnrolled,
  findSeenOwner,
  followCredentialChange,
  keepReadings,
  whoseCard,
} from './workflow.ts';

/** One fob is read in as many ways as there are kinds of readers, and some of them give two. */
const maxReadings = 16;

/** Why not, in words: nobody waits for an answer to the tap, it is shown where the enrolment is. */
export type AddReadingRefusal =
  | (Refusal<'credentialNotFound' | 'credentialRetired' | 'tooManyReadings'> & { readonly title: string })
  | AlreadyEnrolled;

/**
 * The same fob as another kind of reader sees it, where that does not follow from what is known. Refused when somebody
 * else's card was seen with this reading.
 */
export function addReading(
  deps: CardDeps,
  actor: Actor,
  credentialId: string,
  read: CardRead,
): Promise<Result<string, AddReadingRefusal>> {
  return deps.store.transact('credential.addReading', async (tx) => {
    const row = await findCredential(tx, credentialId);
    if (row === null || row.kind !== 'card')
      return refuse({ code: 'credentialNotFound', title: 'The card is not there any more.' });
    if (row.status === 'retired')
      return refuse({ code: 'credentialRetired', title: 'The card is retired: enrol it anew.' });
    const others = (await findReadingOwners(tx, read)).filter((owner) => owner.credentialId !== credentialId);
    const seenOf = await findSeenOwner(tx, others);
    if (seenOf !== null) return refuse(await whoseCard(tx, seenOf));
    if ((await countReadings(tx, credentialId)) >= maxReadings)
      return refuse({ code: 'tooManyReadings', title: 'The card has as many readings as it may have.' });
    await keepReadings(deps, tx, credentialId, read);
    await followCredentialChange(deps, tx, actor, {
      action: 'credential.addReading',
      id: credentialId,
      memberId: row.memberId,
      payload: { label: row.label, reading: read.reading, bits: read.bits, masked: maskedCardText(read) },
      alsoIds: others.map((other) => other.credentialId),
    });
    return ok(credentialId);
  });
}
