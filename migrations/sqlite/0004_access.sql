create table area (
  id text primary key not null,
  name text not null,
  parent_id text references area (id),
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index area_name on area (coalesce(parent_id, ''), name collate nocase) where deleted_at_ms is null;

-- A door controller: a firmware bridge.
create table bridge (
  id text primary key not null,
  name text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;

-- What opens a bridge's connection (SHA-256 of its token) and what its cards are digested with.
create table bridge_secret (
  bridge_id text primary key not null references bridge (id),
  token_hash blob not null,
  digest_key_id text not null,
  digest_key blob not null,
  -- Set while records are digested anew; then they take the place of the others.
  next_key_id text,
  next_key blob
) strict;

-- What a bridge last said about itself.
create table bridge_status (
  bridge_id text primary key not null references bridge (id),
  last_seen_at_ms integer not null,
  boot_id text not null,
  release text not null,
  simulated integer not null check (simulated in (0, 1)),
  applied_epoch integer,
  applied_revision integer,
  applied_hash text,
  refused text,
  -- JSON list of credential ids whose grants wait for a person after a restore.
  withheld text not null
) strict;

-- Up to which event of a journal the store holds everything.
create table bridge_cursor (
  bridge_id text not null references bridge (id),
  journal_id text not null,
  acked_seq integer not null,
  updated_at_ms integer not null,
  primary key (bridge_id, journal_id)
) strict, without rowid;

create table portal (
  id text primary key not null,
  bridge_id text not null references bridge (id),
  -- The bridge's own name of the door, as in its config.
  key text not null,
  name text not null,
  area_id text references area (id),
  -- JSON.
  settings text not null,
  override text,
  readers text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index portal_key on portal (bridge_id, key) where deleted_at_ms is null;
create index portal_area on portal (area_id) where deleted_at_ms is null;

create table access_rule (
  id text primary key not null,
  name text not null,
  subject_kind text not null check (subject_kind in ('everyone', 'plan', 'group', 'member')),
  subject_id text,
  target_kind text not null check (target_kind in ('site', 'area', 'portal')),
  target_id text,
  -- JSON list of weekly windows.
  windows text not null,
  outside_opening_hours integer not null check (outside_opening_hours in (0, 1)),
  valid_from_ms integer,
  valid_until_ms integer,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create index access_rule_target on access_rule (target_kind, target_id) where deleted_at_ms is null;

create table opening_hours (
  id text primary key not null,
  -- Null: the whole site.
  area_id text references area (id),
  windows text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index opening_hours_area on opening_hours (coalesce(area_id, '')) where deleted_at_ms is null;

create table schedule_exception (
  id text primary key not null,
  date text not null,
  name text not null,
  area_id text references area (id),
  windows text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index schedule_exception_day on schedule_exception (date, coalesce(area_id, ''))
  where deleted_at_ms is null;

create table credential (
  id text primary key not null,
  member_id text not null,
  label text not null,
  status text not null check (status in ('active', 'suspended', 'lost', 'retired', 'temporary')),
  assurance integer not null,
  valid_from_ms integer,
  valid_until_ms integer,
  -- The end of the card's number, to tell two cards of one member apart.
  masked text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create index credential_member on credential (member_id) where deleted_at_ms is null;

-- Raw readings stay in this file, so that digest keys can change. One reading belongs to one credential.
create table credential_reading (
  credential_id text not null references credential (id),
  reading text not null,
  bits integer not null,
  hex text not null,
  -- 0: as another kind of reader would read the same card.
  seen integer not null check (seen in (0, 1)),
  primary key (reading, bits, hex)
) strict, without rowid;
create index credential_reading_credential on credential_reading (credential_id);

create table policy_state (
  id integer primary key not null check (id = 1),
  epoch integer not null,
  revision integer not null
) strict;
insert into policy_state (id, epoch, revision) values (1, 1, 0);

-- Plans and sets of groups as the small numbers of the records; a number is never given twice.
create table policy_symbol (
  number integer primary key not null,
  kind text not null check (kind in ('plan', 'groups')),
  name text not null
) strict;
create unique index policy_symbol_name on policy_symbol (kind, name);

-- The records of one bridge under one digest key; sum: the XOR of their hashes.
create table policy_set (
  bridge_id text not null references bridge (id),
  key_id text not null,
  sum blob not null,
  -- Changes up to this revision can no longer be told one by one.
  floor_revision integer not null,
  primary key (bridge_id, key_id)
) strict, without rowid;

create table policy_record (
  bridge_id text not null,
  key_id text not null,
  digest blob not null,
  credential_id text not null,
  record blob not null,
  revision integer not null,
  primary key (bridge_id, key_id, digest)
) strict, without rowid;
create index policy_record_revision on policy_record (bridge_id, key_id, revision);
create index policy_record_credential on policy_record (credential_id);

create table policy_removed (
  bridge_id text not null,
  key_id text not null,
  digest blob not null,
  revision integer not null,
  primary key (bridge_id, key_id, digest)
) strict, without rowid;
create index policy_removed_revision on policy_removed (bridge_id, key_id, revision);

create table policy_document (
  bridge_id text primary key not null references bridge (id),
  body text not null,
  hash blob not null,
  revision integer not null
) strict;

create table access_event (
  id text primary key not null,
  bridge_id text not null,
  journal_id text not null,
  seq integer not null,
  kind text not null,
  -- By the bridge's clock.
  at_ms integer not null,
  clock_trust text not null,
  portal_id text,
  reader_key text,
  credential_id text,
  member_id text,
  digest text,
  reason text,
  -- JSON: the rest of the bridge's event.
  details text not null,
  created_at_ms integer not null
) strict;
create unique index access_event_origin on access_event (bridge_id, journal_id, seq);
create index access_event_portal on access_event (portal_id, id);
create index access_event_member on access_event (member_id, id);
create index access_event_kind on access_event (kind, id);
create index access_event_reason on access_event (reason, id) where reason is not null;

create trigger access_event_keeps before update on access_event
begin
  select raise(abort, 'access events are append-only');
end;
create trigger access_event_stays before delete on access_event
begin
  select raise(abort, 'access events are append-only');
end;

-- What a bridge sent and could not be taken in.
create table event_dead_letter (
  id text primary key not null,
  bridge_id text not null,
  journal_id text not null,
  seq integer not null,
  problem text not null,
  body text not null,
  at_ms integer not null
) strict;
create index event_dead_letter_origin on event_dead_letter (bridge_id, journal_id, seq);
