-- Replication with a central Postgres.

-- The centre that this hub belongs to: no row without one.
create table sync_link (
  id integer primary key not null check (id = 1),
  central_url text not null,
  central_ca text,
  site_id text not null,
  site_name text not null,
  hub_id text not null,
  hub_name text not null,
  -- Tried first when it is there: the centre may have it already.
  next_token blob,
  token blob not null,
  token_since_ms integer not null,
  linked_at_ms integer not null,
  epoch integer not null,
  -- The machine that the epoch was begun on.
  instance text not null,
  -- Where the epoch began, and up to where the centre has everything: numbers of `change` and the chain (hex) there.
  base_seq integer not null,
  acked integer not null,
  acked_chain text not null,
  stage text not null check (stage in ('seed', 'backfill', 'bootstrap', 'live')),
  -- JSON: how far the stage has come.
  place text,
  -- Why nothing goes on until a person decides; null: it goes on.
  halted text,
  -- JSON: the columns of each table when it was last taken in whole.
  columns text
) strict;

-- Where batches ended that the centre has.
create table sync_mark (
  epoch integer not null,
  seq integer not null,
  chain text not null,
  at_ms integer not null,
  primary key (epoch, seq)
) strict, without rowid;

-- What the other side could not take: `up` at the centre, `down` here.
create table sync_dead_letter (
  id text primary key not null,
  direction text not null check (direction in ('up', 'down')),
  -- Of `change`, or of the centre's stream.
  seq integer not null,
  tbl text not null,
  pk text not null,
  problem text not null,
  body text not null,
  at_ms integer not null,
  resolved_at_ms integer
) strict;
create index sync_dead_letter_open on sync_dead_letter (tbl, pk) where resolved_at_ms is null;
create index sync_dead_letter_waiting on sync_dead_letter (id) where resolved_at_ms is null;

-- Two people wrote the same column without having seen each other's: what stands and what gave way.
create table sync_conflict (
  id text primary key not null,
  tbl text not null,
  pk text not null,
  col text not null,
  -- JSON.
  kept text not null,
  lost text not null,
  kept_by text not null,
  lost_by text not null,
  -- When each was written.
  kept_at_ms integer not null,
  lost_at_ms integer not null,
  settled_at_ms integer,
  settled_by text,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create index sync_conflict_open on sync_conflict (created_at_ms, id) where settled_at_ms is null and deleted_at_ms is null;

-- The log goes on from its own last entry: what the centre has of a time that this store does not remember stays there.
create trigger audit_entry_continues before insert on audit_entry
when new.seq > 1 and not exists (
  select 1 from audit_entry where seq = new.seq - 1 and hash = new.prev_hash)
begin
  select raise(abort, 'the audit log of this store goes on otherwise');
end;
