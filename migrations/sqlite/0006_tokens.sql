-- Sign-ins of programs beside those of browsers: a family of refresh tokens is one session. `token_hash` of an `api`
-- session names its family; the rest of a refresh token changes with each use and is known by these two hashes.
alter table session add column kind text not null default 'browser' check (kind in ('browser', 'api'));
alter table session add column device text not null default '';
alter table session add column refresh_hash text;
alter table session add column refresh_hash_before text;
alter table session add column refreshed_at_ms integer;

-- What works for somebody without being anybody: a script, a display, another system.
create table service_account (
  id text primary key not null,
  name text not null,
  purpose text not null,
  -- It may never do more than this account may do now.
  owner_id text not null references account (id),
  -- JSON list of permissions.
  scopes text not null,
  status text not null check (status in ('active', 'disabled')),
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index service_account_name on service_account (name collate nocase) where deleted_at_ms is null;
create index service_account_owner on service_account (owner_id) where deleted_at_ms is null;

-- Never the token itself. Kept apart, so that its hash never leaves this hub.
create table access_token (
  id text primary key not null,
  service_account_id text not null references service_account (id),
  name text not null,
  token_hash text not null,
  -- Its last four characters: tells a person which one it is.
  ending text not null,
  -- JSON list of permissions; null: all of its service account.
  scopes text,
  created_at_ms integer not null,
  expires_at_ms integer,
  last_used_at_ms integer,
  last_used_address text
) strict;
create unique index access_token_hash on access_token (token_hash);
create unique index access_token_name on access_token (service_account_id, name collate nocase);

-- The audit log learns of a further kind of doer. SQLite changes a check only with the table, so it is written anew;
-- rows, hashes and what keeps it append-only stay as they are.
create table audit_entry_wider (
  id text primary key not null,
  seq integer not null,
  at_ms integer not null,
  actor_kind text not null check (actor_kind in ('account', 'service', 'console', 'bridge', 'system')),
  actor_id text,
  action text not null,
  target_table text,
  target_id text,
  payload_digest text not null,
  prev_hash text not null,
  hash text not null,
  created_at_ms integer not null
) strict;
insert into audit_entry_wider
select id, seq, at_ms, actor_kind, actor_id, action, target_table, target_id, payload_digest, prev_hash, hash,
  created_at_ms
from audit_entry;
drop table audit_entry;
alter table audit_entry_wider rename to audit_entry;
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
