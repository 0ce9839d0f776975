import { z } from 'zod';
import type { CredentialStatus, MemberStatus, MembershipState } from '#hub/domains/members/schema.ts';
import { scheduleExceptionSchema, weeklyWindowsSchema } from '#hub/domains/places/schema.ts';
import { zoneOffsetsSchema } from '#hub/kernel/time.ts';
import { policyRuleSchema, portalOverrideSchema, portalSettingsSchema } from '../schema.ts';

/**
 * Which policy: a restored hub starts a new epoch, every change a new revision, and the hash says whether two
 * copies are the same (XOR of the SHA-256 of each credential record, then SHA-256 with the document's hash; hex).
 */
export const policyVersionSchema = z.strictObject({
  epoch: z.number().int().min(1),
  revision: z.number().int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type PolicyVersion = z.infer<typeof policyVersionSchema>;

export const policyPortalSchema = z.strictObject({
  id: z.string(),
  /** The bridge's own name of the portal, as in its config. */
  key: z.string(),
  name: z.string(),
  areaId: z.string().nullable(),
  settings: portalSettingsSchema,
  override: portalOverrideSchema.nullable(),
});
export type PolicyPortal = z.infer<typeof policyPortalSchema>;

/** The part of a policy that is not per credential. Small; sent whole whenever it changes. */
export const policyDocumentSchema = z.strictObject({
  format: z.literal(1),
  siteName: z.string(),
  zone: zoneOffsetsSchema,
  /** When the hub built it (UTC ms): the age of the policy is counted from the last confirmation, see the bridge. */
  builtAtMs: z.number().int(),
  /** The bridge's own digest key, base64url; every record below is keyed with it. */
  digestKey: z.strictObject({ id: z.string(), key: z.string() }),
  portals: z.array(policyPortalSchema).max(200),
  /** Child area -> parent area (null = top). A rule on an area holds in all areas below it. */
  areaParents: z.record(z.string(), z.string().nullable()),
  rules: z.array(policyRuleSchema).max(5000),
  /** Opening hours of an area; '' is the site. An area without an entry follows its parent. No entry at all: always open. */
  openingHours: z.record(z.string(), weeklyWindowsSchema),
  exceptions: z.array(scheduleExceptionSchema).max(2000),
  /** Small numbers in the records -> plan id; and -> the group ids of a member. */
  planIds: z.record(z.string(), z.string()),
  groupSets: z.record(z.string(), z.array(z.string())),
});
export type PolicyDocument = z.infer<typeof policyDocumentSchema>;

/** Everything about one credential and its member that a decision needs. */
export interface CredentialFacts {
  readonly credentialId: string;
  readonly memberId: string;
  readonly credentialStatus: CredentialStatus;
  /** 0 number only, 1 number + PIN, 2 cryptographic. */
  readonly assurance: number;
  readonly validFromMs: number | null;
  readonly validUntilMs: number | null;
  readonly memberStatus: MemberStatus;
  readonly onHold: boolean;
  readonly waiverMissing: boolean;
  readonly extendedAccess: boolean;
  readonly membershipState: MembershipState;
  readonly membershipFromMs: number | null;
  readonly membershipUntilMs: number | null;
  readonly planId: string | null;
  readonly groupIds: readonly string[];
}
