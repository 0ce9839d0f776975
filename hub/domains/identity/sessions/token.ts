import { createHash, randomBytes } from 'node:crypto';
import { sessionCookieName } from '#hub/http/endpoint/auth.ts';

const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

/** 256 random bits; only its hash is stored. */
export const createSessionToken = (): string => randomBytes(32).toString('base64url');

export const isSessionToken = (text: string): boolean => tokenPattern.test(text);

export const hashSessionToken = (token: string): string => sha256(`session ${token}`);

/**
 * Derives the token that the page sends with every write. Derived from the stored hash, so that any request can return
 * it.
 */
export const csrfTokenOf = (tokenHash: string): string => sha256(`csrf ${tokenHash}`);

export function printSessionCookie(token: string, lifeMs: number): string {
  const maxAge = Math.floor(lifeMs / 1000);
  return `${sessionCookieName}=${token}; Path=/; Max-Age=${maxAge}; HttpOnly; Secure; SameSite=Lax`;
}

export const clearedSessionCookie = `${sessionCookieName}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`;

/** Every value that the Cookie header has under the session's name; HTTP/2 may have split the header. */
export function readSessionCookies(header: string | undefined): readonly string[] {
  const prefix = `${sessionCookieName}=`;
  return (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix))
    .map((pair) => pair.slice(prefix.length));
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
