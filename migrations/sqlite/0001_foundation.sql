-- What the store itself keeps. Every further table belongs to a domain and is registered by it.

-- One row for each write of a replicated table, in the order of the writes; pruned from its start.
create table change (
  -- autoincrement: a number that was pruned is never given out again.
  seq integer primary key autoincrement,
  tbl text not null,
  pk text not null,
  op text not null check (op in ('insert', 'update', 'delete')),
  -- JSON of the columns written; null for append tables, whose rows never change and are read when sent.
  body text,
  -- SHA-256 of the canonical JSON of the columns written, in which the personal ones stand as digests.
  digest text not null check (length(digest) = 64),
  at_ms integer not null
) strict;

-- Facts of this store that belong to no domain, such as the first change that is still kept.
create table store_fact (
  name text primary key not null,
  value text not null,
  updated_at_ms integer not null
) strict, without rowid;
