-- The centre of replication: what hubs may call, and what it keeps to answer them. Hubs have no right on any table; they
-- may execute functions, which run as an owner that nobody can log in as and that row-level security holds too.
-- Every table begins with the stream (a site), which is the distribution key where Postgres is distributed.

do $$
begin
  if not exists (select from pg_roles where rolname = 'makrcave_owner') then
    create role makrcave_owner nologin nobypassrls;
  end if;
  -- What hubs log in as is a member of this one.
  if not exists (select from pg_roles where rolname = 'makrcave_hub') then
    create role makrcave_hub nologin;
  end if;
  -- Other applications that write for members.
  if not exists (select from pg_roles where rolname = 'makrcave_app') then
    create role makrcave_app nologin;
  end if;
  -- People and reports: reads all sites.
  if not exists (select from pg_roles where rolname = 'makrcave_reader') then
    create role makrcave_reader nologin;
  end if;
  execute format('grant makrcave_owner, makrcave_reader to %I', current_user);
end $$;

create schema if not exists sync;
create schema makrcave;
grant usage, create on schema sync, makrcave to makrcave_owner;
grant usage on schema sync to makrcave_hub, makrcave_app, makrcave_reader;
grant usage on schema makrcave to makrcave_reader;

set local role makrcave_owner;

-- Which releases of the tables this centre speaks: hubs outside of it may still push.
create table sync.schema_range (
  one boolean primary key default true check (one),
  oldest integer not null,
  newest integer not null
);

-- What is replicated, one row per table; filled where the tables are made.
create table sync.entity (
  tbl text primary key,
  class text not null check (class in ('state', 'append')),
  -- In the order in which a snapshot sends them: what is referred to comes first.
  place integer not null unique,
  columns text[] not null,
  -- Columns that other applications may write here; none: the hub alone decides.
  open_columns text[] not null default '{}'
);

create table sync.stream (
  stream_id uuid primary key,
  kind text not null check (kind in ('site', 'org')),
  name text not null,
  org_id uuid,
  -- Of the last change; changes up to floor are gone.
  head bigint not null default 0,
  floor bigint not null default 0,
  created_at timestamptz not null default now()
);

create table sync.hub (
  stream_id uuid not null,
  hub_id uuid not null,
  name text not null,
  -- SHA-256. The next one takes its place with its first use.
  token_hash bytea,
  next_token_hash bytea,
  -- Where it is set, the session must have logged in as it.
  db_role text,
  status text not null default 'invited' check (status in ('invited', 'active', 'revoked')),
  epoch integer not null default 0,
  -- The machine that the epoch belongs to.
  instance uuid,
  last_seq bigint not null default 0,
  chain bytea,
  -- How far it has read the stream.
  cursor bigint not null default 0,
  release text,
  schema_number integer,
  -- How far its clock was ahead when it was last here, ms; 0 when less than the five minutes that are let pass.
  clock_ahead_ms bigint not null default 0,
  seen_at timestamptz,
  collected_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (stream_id, hub_id)
);

-- One-time codes by which a hub joins. Small; a reference table where Postgres is distributed.
create table sync.invitation (
  code_hash bytea primary key,
  stream_id uuid not null,
  hub_id uuid not null,
  expires_at timestamptz not null
);

-- Where each pushed batch ended: what a hub that comes back from an old backup looks for.
create table sync.hub_mark (
  stream_id uuid not null,
  hub_id uuid not null,
  epoch integer not null,
  seq bigint not null,
  chain bytea not null,
  made_at timestamptz not null default now(),
  primary key (stream_id, hub_id, epoch, seq)
);

create table sync.change (
  stream_id uuid not null,
  seq bigint not null,
  -- Tells a centre that was restored from a backup.
  cid uuid not null,
  tbl text not null,
  pk uuid not null,
  op text not null check (op in ('insert', 'update', 'delete')),
  set jsonb not null,
  hlc bigint not null,
  origin_hub uuid,
  origin_epoch integer,
  origin_seq bigint,
  made_at timestamptz not null default now(),
  primary key (stream_id, seq)
);
create index change_row on sync.change (stream_id, tbl, pk);

-- What could not be applied. The rest went on.
create table sync.dead_letter (
  stream_id uuid not null,
  hub_id uuid not null,
  epoch integer not null,
  seq bigint not null,
  tbl text not null,
  pk text not null,
  sqlstate text not null,
  message text not null,
  op jsonb not null,
  made_at timestamptz not null default now(),
  resolved_at timestamptz,
  primary key (stream_id, hub_id, epoch, seq)
);
create index dead_letter_row on sync.dead_letter (stream_id, tbl, pk) where resolved_at is null;

do $$
declare
  t text;
begin
  foreach t in array array['stream', 'hub', 'hub_mark', 'change', 'dead_letter'] loop
    execute format('alter table sync.%I enable row level security', t);
    execute format('alter table sync.%I force row level security', t);
    execute format(
      'create policy own_site on sync.%I to makrcave_owner '
        || 'using (stream_id = (select nullif(current_setting(''sync.site'', true), '''')::uuid))', t);
    execute format('create policy all_sites on sync.%I for select to makrcave_reader using (true)', t);
  end loop;
end $$;
grant select on sync.stream, sync.dead_letter, sync.entity to makrcave_reader;
grant select (stream_id, hub_id, name, db_role, status, epoch, instance, last_seq, cursor, release, schema_number,
  clock_ahead_ms, seen_at, created_at) on sync.hub to makrcave_reader;

reset role;
