import { hash } from 'node:crypto';
import { type PlatformProblemCode } from '../endpoint/problem.ts';

/**
 * The strong validator of an entity's representation (RFC 9110, 8.8.3): its `version` and a digest of the body. The
 * version alone would not do: what is computed beside the row (a member's standing, a door's state) changes without it.
 */
export const entityTagOf = (version: number, body: string): string =>
  `"${version}-${hash('sha256', body, 'base64url').slice(0, 16)}"`;

interface Tag {
  readonly isWeak: boolean;
  readonly text: string;
}

/** The tags of If-Match or If-None-Match; null when it is not such a list. */
function parseTags(header: string): readonly Tag[] | '*' | null {
  if (header.trim() === '*') return '*';
  const tags: Tag[] = [];
  const tag = /\s*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)/y;
  while (tag.lastIndex < header.length) {
    const match = tag.exec(header);
    if (match === null) return null;
    tags.push({ isWeak: match[1] !== undefined, text: match[2] ?? '' });
  }
  return tags.length === 0 ? null : tags;
}

/** Returns whether If-None-Match of a read lists this representation (weak comparison). */
export function matchesTag(ifNoneMatch: string, etag: string): boolean {
  const tags = parseTags(ifNoneMatch);
  return tags === '*' || (tags?.some((tag) => `"${tag.text}"` === etag) ?? false);
}

const versionOf = (tag: Tag): number | null => {
  const digits = /^(\d{1,15})(?:-|$)/.exec(tag.text)?.[1];
  return tag.isWeak || digits === undefined ? null : Number(digits);
};

export type IfMatch =
  /** Any version will do. */
  | { readonly kind: 'any' }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'refused'; readonly code: PlatformProblemCode };

/**
 * What If-Match asks of the entity that is written: the version in its tag; `"3"` alone says the same. The digest is not
 * compared: a write replaces what is stored, and what is computed beside it is nothing that could be lost.
 */
export function readIfMatch(header: string): IfMatch {
  const tags = parseTags(header);
  if (tags === '*') return { kind: 'any' };
  if (tags === null) return { kind: 'refused', code: 'preconditionInvalid' };
  const versions = new Set(tags.map(versionOf).filter((version) => version !== null));
  const [version] = versions;
  if (versions.size > 1) return { kind: 'refused', code: 'preconditionInvalid' };
  // A tag of no version of ours, or a weak one, is the tag of nothing that is stored here.
  return version === undefined
    ? { kind: 'refused', code: 'preconditionFailed' }
    : { kind: 'version', version };
}
