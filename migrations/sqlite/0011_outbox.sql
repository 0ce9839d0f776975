-- The outbox of replication: what each write of `change` says besides.

-- The last change of the centre that was in this store when the row was written.
alter table change add column base_cursor integer not null default 0;
-- Hybrid logical time: ms * 2048 + counter, later than any before it here.
alter table change add column hlc integer not null default 0;
-- 1: its columns were emptied for good; older rows of the same row say them no more.
alter table change add column erases integer not null default 0 check (erases in (0, 1));
-- Which columns of a row still wait for their echo.
create index change_row on change (tbl, pk) where body is not null;

-- How far the centre's changes are in this store; written in the transaction that takes them in.
create table sync_position (
  id integer primary key not null check (id = 1),
  -- The last change taken in, and its id.
  cursor integer not null,
  cursor_cid text,
  -- Own rows of `change` up to this one have come back.
  settled integer not null
) strict;
insert into sync_position (id, cursor, cursor_cid, settled) values (1, 0, null, 0);
