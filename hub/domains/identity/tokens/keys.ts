import { createHmac, createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto';
import { calculateJwkThumbprint, errors, exportJWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { bytesToSecret } from './opaque-token.ts';
import { accessTokenLifeMs, accessTokenToleranceMs } from './rules.ts';

/** Claims of an access token. Rights are not among them: they are looked up, so that they change immediately. */
export interface AccessClaims {
  readonly accountId: string;
  readonly sessionId: string;
}

/** Signs and checks access tokens (JWT, EdDSA over Ed25519), and gives each refresh secret its one successor. */
export interface TokenKeys {
  readonly keyId: string;
  sign(claims: AccessClaims, nowMs: number): Promise<string>;
  /** `expired`: ours and too old, or made later than now. `invalid`: anything else that is not ours. */
  verify(jwt: string, nowMs: number): Promise<AccessClaims | 'expired' | 'invalid'>;
  /**
   * The secret that follows in the family. The same each time, so that two requests with one token get one answer;
   * without the hub's key nobody can tell it from the one before.
   */
  refreshSecretAfter(secret: string): string;
}

const audience = 'makrcave-hub';
/** RFC 9068: a token of another kind that the same key signs one day is not taken for one of these. */
const tokenType = 'at+jwt';
/** PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
/** Longer than any that we sign. */
const maxTokenLength = 2048;

const claimsSchema = z.looseObject({ sub: z.string(), sid: z.string() });

/** Derives the keys from the 32 bytes of `master`; the issuer is named after them, so each hub has its own. */
export async function openTokenKeys(master: Uint8Array): Promise<TokenKeys> {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), `makrcave ${purpose}`, 32));
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, derive('access token signature')]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(privateKey);
  const refreshKey = derive('refresh token succession');
  const keyId = await calculateJwkThumbprint(await exportJWK(publicKey));
  const issuer = `urn:makrcave:hub:${keyId}`;
  return {
    keyId,
    sign: ({ accountId, sessionId }, nowMs) => {
      const nowSeconds = Math.floor(nowMs / 1000);
      return new SignJWT({ sid: sessionId })
        .setProtectedHeader({ alg: 'EdDSA', kid: keyId, typ: tokenType })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(accountId)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + accessTokenLifeMs / 1000)
        .sign(privateKey);
    },
    async verify(jwt, nowMs) {
      if (jwt.length > maxTokenLength) return 'invalid';
      try {
        const { payload, protectedHeader } = await jwtVerify(jwt, publicKey, {
          algorithms: ['EdDSA'],
          typ: tokenType,
          issuer,
          audience,
          clockTolerance: accessTokenToleranceMs / 1000,
          // Binds both ends: a clock that was set back does not make a token last longer.
          maxTokenAge: accessTokenLifeMs / 1000,
          requiredClaims: ['exp', 'sub', 'sid'],
          currentDate: new Date(nowMs),
        });
        const claims = claimsSchema.safeParse(payload);
        if (!claims.success || protectedHeader.kid !== keyId) return 'invalid';
        return { accountId: claims.data.sub, sessionId: claims.data.sid };
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error;
        return isTooOldOrTooNew(error) ? 'expired' : 'invalid';
      }
    },
    refreshSecretAfter: (secret) =>
      bytesToSecret(createHmac('sha256', refreshKey).update(secret, 'utf8').digest()),
  };
}

/** These are thrown after the signature was found right. */
function isTooOldOrTooNew(error: unknown): boolean {
  if (error instanceof errors.JWTExpired) return true;
  return (
    error instanceof errors.JWTClaimValidationFailed &&
    error.claim === 'iat' &&
    error.reason === 'check_failed'
  );
}
