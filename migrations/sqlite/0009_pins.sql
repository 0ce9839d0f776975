alter table credential add column kind text not null default 'card' check (kind in ('card', 'pin'));
-- A member has one PIN that counts.
create unique index credential_pin_of_member on credential (member_id)
  where kind = 'pin' and status <> 'retired' and deleted_at_ms is null;

-- argon2id of the PIN and of the duress PIN over one salt. Where there is no duress PIN its hash is random: nothing here
-- says whether there is one. The row goes when the PIN is retired.
create table credential_pin (
  credential_id text primary key not null references credential (id),
  salt blob not null,
  hash blob not null,
  duress_hash blob not null
) strict, without rowid;

-- What only whoever may see alarms learns. The event itself looks like any other.
create table access_alarm (
  id text primary key not null,
  kind text not null check (kind in ('duress')),
  event_id text not null,
  portal_id text,
  member_id text,
  -- By the bridge's clock.
  at_ms integer not null,
  acknowledged_at_ms integer,
  acknowledged_by text,
  note text,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index access_alarm_event on access_alarm (event_id, kind);
create index access_alarm_open on access_alarm (id) where acknowledged_at_ms is null and deleted_at_ms is null;
