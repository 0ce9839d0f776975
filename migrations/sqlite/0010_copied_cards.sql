-- A card that was read at two doors sooner than anybody gets from one to the other.

-- Seconds that anybody needs at least from this door to the nearest other one; 0: not known.
alter table portal add column walk_seconds integer not null default 0 check (walk_seconds >= 0);

-- What speaks for a copy of a card, until somebody has looked into it.
create table suspected_copy (
  id text primary key not null,
  credential_id text not null references credential (id),
  from_portal_id text not null,
  from_at_ms integer not null,
  to_portal_id text not null,
  to_at_ms integer not null,
  -- The way takes at least so long.
  walk_seconds integer not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index suspected_copy_credential on suspected_copy (credential_id) where deleted_at_ms is null;
