import type { Generated } from 'kysely';
import type { AppendColumns, StateColumns } from '#hub/store/database.ts';
import type { TableRegistration } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';

export interface BridgeTable extends StateColumns {
  name: string;
}
export interface BridgeSecretTable {
  bridge_id: string;
  token_hash: Uint8Array;
  digest_key_id: string;
  digest_key: Uint8Array;
  next_key_id: string | null;
  next_key: Uint8Array | null;
}
export interface BridgeStatusTable {
  bridge_id: string;
  last_seen_at_ms: number;
  boot_id: string;
  release: string;
  simulated: number;
  applied_epoch: number | null;
  applied_revision: number | null;
  applied_hash: string | null;
  refused: string | null;
  withheld: string;
}
export interface BridgeCursorTable {
  bridge_id: string;
  journal_id: string;
  acked_seq: number;
  updated_at_ms: number;
}
export interface PortalTable extends StateColumns {
  bridge_id: string;
  key: string;
  name: string;
  area_id: string | null;
  settings: string;
  override: string | null;
  readers: string;
  walk_seconds: Generated<number>;
}
export interface AccessRuleTable extends StateColumns {
  name: string;
  subject_kind: 'everyone' | 'plan' | 'group' | 'member';
  subject_id: string | null;
  target_kind: 'site' | 'area' | 'portal';
  target_id: string | null;
  windows: string;
  outside_opening_hours: number;
  valid_from_ms: number | null;
  valid_until_ms: number | null;
}
export interface CredentialTable extends StateColumns {
  member_id: string;
  kind: 'card' | 'pin';
  label: string;
  status: 'active' | 'suspended' | 'lost' | 'retired' | 'temporary';
  assurance: number;
  valid_from_ms: number | null;
  valid_until_ms: number | null;
  masked: string;
}
export interface CredentialReadingTable {
  credential_id: string;
  reading: string;
  bits: number;
  hex: string;
  seen: number;
}
export interface CredentialPinTable {
  credential_id: string;
  salt: Uint8Array;
  hash: Uint8Array;
  duress_hash: Uint8Array;
}
export interface CredentialSealTable extends StateColumns {
  credential_id: string;
  sealed: string;
}
export interface CardKeyWrapTable extends StateColumns {
  key_id: string;
  salt: string;
  wrapped: string;
  made_at_ms: number;
}
export interface CardVaultTable {
  id: number;
  key_id: string;
  walk_after: string | null;
}
export interface AccessAlarmTable extends StateColumns {
  kind: 'duress';
  event_id: string;
  portal_id: string | null;
  member_id: string | null;
  at_ms: number;
  acknowledged_at_ms: number | null;
  acknowledged_by: string | null;
  note: string | null;
}
export interface SuspectedCopyTable extends StateColumns {
  credential_id: string;
  from_portal_id: string;
  from_at_ms: number;
  to_portal_id: string;
  to_at_ms: number;
  walk_seconds: number;
}
export interface PolicyStateTable {
  id: number;
  epoch: number;
  revision: number;
}
export interface PolicySymbolTable {
  number: number;
  kind: 'plan' | 'groups';
  name: string;
}
export interface PolicySetTable {
  bridge_id: string;
  key_id: string;
  sum: Uint8Array;
  floor_revision: number;
}
export interface PolicyRecordTable {
  bridge_id: string;
  key_id: string;
  digest: Uint8Array;
  credential_id: string;
  record: Uint8Array;
  revision: number;
}
export interface PolicyRemovedTable {
  bridge_id: string;
  key_id: string;
  digest: Uint8Array;
  revision: number;
}
export interface PolicyDocumentTable {
  bridge_id: string;
  body: string;
  hash: Uint8Array;
  revision: number;
}
export interface AccessEventTable extends AppendColumns {
  bridge_id: string;
  journal_id: string;
  seq: number;
  kind: string;
  at_ms: number;
  clock_trust: string;
  portal_id: string | null;
  reader_key: string | null;
  credential_id: string | null;
  member_id: string | null;
  digest: string | null;
  reason: string | null;
  details: string;
}
export interface EventDeadLetterTable {
  id: string;
  bridge_id: string;
  journal_id: string;
  seq: number;
  problem: string;
  body: string;
  at_ms: number;
}

declare module '#hub/store/database.ts' {
  interface Database {
    bridge: BridgeTable;
    bridge_secret: BridgeSecretTable;
    bridge_status: BridgeStatusTable;
    bridge_cursor: BridgeCursorTable;
    portal: PortalTable;
    access_rule: AccessRuleTable;
    credential: CredentialTable;
    credential_reading: CredentialReadingTable;
    credential_pin: CredentialPinTable;
    credential_seal: CredentialSealTable;
    card_key_wrap: CardKeyWrapTable;
    card_vault: CardVaultTable;
    access_alarm: AccessAlarmTable;
    suspected_copy: SuspectedCopyTable;
    policy_state: PolicyStateTable;
    policy_symbol: PolicySymbolTable;
    policy_set: PolicySetTable;
    policy_record: PolicyRecordTable;
    policy_removed: PolicyRemovedTable;
    policy_document: PolicyDocumentTable;
    access_event: AccessEventTable;
    event_dead_letter: EventDeadLetterTable;
  }
}

const state: TableRegistration = { class: 'state', owner: 'hub', personalColumns: [] };
const local: TableRegistration = { class: 'local', owner: 'hub', personalColumns: [] };

/**
 * Secrets and what is computed from other tables never leave this hub. Raw card readings and hashes of PINs leave it
 * only inside `credential_seal`, sealed under a key that nobody else has.
 */
export const accessTables = {
  bridge: { ...state, called: 'Door controller', label: { column: 'name' }, managedBy: 'bridge.manage' },
  bridge_secret: local,
  bridge_status: local,
  bridge_cursor: local,
  portal: { ...state, called: 'Door', label: { column: 'name' }, managedBy: 'portal.manage' },
  access_rule: { ...state, called: 'Access rule', label: { column: 'name' }, managedBy: 'rule.manage' },
  credential: {
    called: 'Card',
    label: { column: 'label' },
    managedBy: 'credential.manage',
    class: 'state',
    owner: 'hub',
    personalColumns: ['label', 'masked'],
  },
  credential_reading: local,
  credential_pin: local,
  credential_seal: { called: 'credential seal', class: 'state', owner: 'hub', personalColumns: ['sealed'] },
  card_key_wrap: { ...state, called: 'card key wrap' },
  card_vault: local,
  access_alarm: {
    called: 'Silent alarm',
    label: { reference: 'member_id', table: 'member' },
    class: 'state',
    owner: 'hub',
    personalColumns: ['note'],
  },
  suspected_copy: { ...state, called: 'Suspected copy of a card' },
  policy_state: local,
  policy_symbol: local,
  policy_set: local,
  policy_record: local,
  policy_removed: local,
  policy_document: local,
  access_event: {
    called: 'Event at a door',
    label: { reference: 'member_id', table: 'member' },
    class: 'append',
    owner: 'hub',
    personalColumns: [],
  },
  event_dead_letter: local,
} as const satisfies Registrations;
