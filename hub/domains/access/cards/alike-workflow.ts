import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { Reader } from '#hub/store/store.ts';
import type { CardRead } from '../schema.ts';
import { type OwnedReading, ownersByReading, readerWords, readingName } from './alike-rules.ts';
import { type CredentialRow, findAlikeIds, findClaims, findCredentialsById } from './repository.ts';
import type { LooksLike } from './schema.ts';

const wayOut =
  'Give one of them a card of another format, or fit a reader that reads the whole number. Retire a card that was handed in.';
/** More findings than this are one that counts them. */
const mostFindings = 20;

/** Readings that these cards have in common with others in use, and all cards concerned. */
async function findShared(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<{ readonly shared: readonly OwnedReading[]; readonly cards: Map<string, CredentialRow> }> {
  const claims = await findClaims(reader, credentialIds);
  // As good as always: one query, and nothing to tell.
  if (claims.length === new Set(claims.map(({ read }) => readingName(read))).size)
    return { shared: [], cards: new Map() };
  const cards = await findCredentialsById(
    reader,
    claims.map(({ credentialId }) => credentialId),
  );
  const owned = ownersByReading(
    claims.flatMap((claim) => {
      const status = cards.get(claim.credentialId)?.status;
      return status === undefined ? [] : [{ ...claim, isRetired: status === 'retired' }];
    }),
  );
  return { shared: owned.filter(({ ownerIds }) => ownerIds.length > 1), cards };
}

/** Which other cards each of these looks like to some reader, in words; cards that look like no other are left out. */
export async function loadLooksLike(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, LooksLike>> {
  const { shared, cards } = await findShared(reader, credentialIds);
  if (shared.length === 0) return new Map();
  const names = await loadMemberNames(reader, [...new Set([...cards.values()].map((card) => card.memberId))]);
  const byId = new Map<string, LooksLike>();
  for (const id of credentialIds) {
    const mine = shared.filter(({ ownerIds }) => ownerIds.includes(id));
    if (mine.length === 0) continue;
    const others = [...new Set(mine.flatMap(({ ownerIds }) => ownerIds))].filter((other) => other !== id);
    const shown = others.flatMap((credentialId) => {
      const card = cards.get(credentialId);
      if (card === undefined) return [];
      const { memberId, label, status } = card;
      return [{ credentialId, memberId, memberName: names.get(memberId) ?? null, label, status }];
    });
    const called = shown.map(({ label, memberName }) => `"${label}" of ${memberName ?? 'a removed member'}`);
    byId.set(id, {
      sentence: `To ${wordReaders(mine)} this card looks like ${called.join(' and ')}: there it opens only what all of them may open.`,
      nextStep: wayOut,
      cards: shown,
    });
  }
  return byId;
}

const wordReaders = (shared: readonly { readonly read: CardRead }[]): string =>
  [...new Set(shared.map(({ read }) => readerWords(read)))].join(' or ');

/** Cards that some reader cannot tell apart, unless they are one member's and all of them open. */
export async function findAlikeCards(reader: Reader): Promise<readonly Finding[]> {
  const { shared, cards } = await findShared(reader, await findAlikeIds(reader));
  const groups = Map.groupBy(shared, ({ ownerIds }) => ownerIds.toSorted().join());
  const names = await loadMemberNames(reader, [...new Set([...cards.values()].map((card) => card.memberId))]);
  const findings = [...groups.values()].flatMap((readings): Finding[] => {
    const owners = (readings[0]?.ownerIds ?? []).flatMap((id) => cards.get(id) ?? []);
    const isHarmless =
      owners.every(({ memberId }) => memberId === owners[0]?.memberId) &&
      owners.every(({ status }) => status === 'active' || status === 'temporary');
    if (isHarmless || owners[0] === undefined) return [];
    const called = owners.map(
      ({ label, memberId }) => `"${label}" of ${names.get(memberId) ?? 'a removed member'}`,
    );
    return [
      {
        id: `card.alike:${owners[0].id}`,
        severity: 'warning',
        evidence: `To ${wordReaders(readings)} the cards ${called.join(' and ')} look alike: there they open only what all of them may open.`,
        fix: wayOut,
      },
    ];
  });
  if (findings.length <= mostFindings) return findings;
  const more: Finding = {
    id: 'card.alikeMore',
    severity: 'warning',
    evidence: `${findings.length - mostFindings} more groups of cards look alike to some reader.`,
    fix: wayOut,
  };
  return [...findings.slice(0, mostFindings), more];
}
