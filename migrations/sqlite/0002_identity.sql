-- The site: one row, made by the claim.
create table site (
  id text primary key not null,
  name text not null,
  time_zone text not null,
  claimed_at_ms integer not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index site_single on site ((1));

-- The code that opens the claim. Never the code itself.
create table claim_code (
  id text primary key not null check (id = 'claim'),
  salt text not null,
  code_hash text not null,
  expires_at_ms integer not null,
  tries integer not null
) strict;

create table account (
  id text primary key not null,
  username text not null,
  display_name text not null,
  status text not null check (status in ('active', 'disabled')),
  member_id text,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index account_username on account (username) where deleted_at_ms is null;
create unique index account_member on account (member_id) where member_id is not null and deleted_at_ms is null;

-- Kept apart from the account, so that a password's hash never leaves this hub.
create table account_password (
  account_id text primary key not null references account (id),
  phc text not null,
  changed_at_ms integer not null
) strict;

create table session (
  id text primary key not null,
  account_id text not null references account (id),
  token_hash text not null,
  created_at_ms integer not null,
  last_used_at_ms integer not null,
  expires_at_ms integer not null,
  remote_address text not null
) strict;
create unique index session_token on session (token_hash);
create index session_account on session (account_id, last_used_at_ms);

create table role (
  id text primary key not null,
  name text not null,
  description text not null,
  built_in integer not null check (built_in in (0, 1)),
  -- JSON list of permissions.
  permissions text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index role_name on role (name collate nocase, built_in) where deleted_at_ms is null;

create table role_assignment (
  id text primary key not null,
  account_id text not null references account (id),
  role_id text not null references role (id),
  expires_at_ms integer,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index role_assignment_pair on role_assignment (account_id, role_id) where deleted_at_ms is null;
create index role_assignment_role on role_assignment (role_id) where deleted_at_ms is null;

-- Wrong tries, by a digest of what is limited. In the store, so that a restart clears none.
create table attempt_counter (
  id text primary key not null,
  failures integer not null,
  last_at_ms integer not null,
  locked_until_ms integer not null
) strict;
create index attempt_counter_age on attempt_counter (last_at_ms);

create table audit_entry (
  id text primary key not null,
  seq integer not null,
  at_ms integer not null,
  actor_kind text not null check (actor_kind in ('account', 'console', 'bridge', 'system')),
  actor_id text,
  action text not null,
  target_table text,
  target_id text,
  payload_digest text not null,
  prev_hash text not null,
  hash text not null,
  created_at_ms integer not null
) strict;
create unique index audit_entry_seq on audit_entry (seq);
create index audit_entry_action on audit_entry (action, seq);
create index audit_entry_actor on audit_entry (actor_id, seq);
create index audit_entry_target on audit_entry (target_id, seq);

create trigger audit_entry_keeps before update on audit_entry
begin
  select raise(abort, 'the audit log is append-only');
end;
create trigger audit_entry_stays before delete on audit_entry
begin
  select raise(abort, 'the audit log is append-only');
end;

-- The personal part of an entry, which a recorded operation may empty.
create table audit_payload (
  id text primary key not null references audit_entry (id),
  salt text,
  actor_name text,
  body text,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;

create trigger audit_payload_only_empties before update on audit_payload
when new.id is not old.id or new.salt is not null or new.actor_name is not null or new.body is not null
  or new.deleted_at_ms is not null
begin
  select raise(abort, 'a payload of the audit log can only be emptied');
end;
create trigger audit_payload_stays before delete on audit_payload
begin
  select raise(abort, 'a payload of the audit log can only be emptied');
end;
