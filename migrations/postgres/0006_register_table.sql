-- A replicated table is its `create table makrcave.NAME (...)` and one call:
--   select sync.register_table('locker', 'state');

set local role makrcave_owner;

/*
 * Makes a table of schema makrcave, still empty, a replicated one: adds the columns that replication keeps, protects its
 * rows, and enters it as the last that a snapshot sends, so what it refers to comes before it. A hub skips a table that
 * its release does not know, and takes all of it with the first start of a release that does.
 * p_open_columns: those that other applications may write. p_schema: the `syncSchemaNumber` of the first release that has
 * the table; a hub of that release waits for a centre that takes its rows. Null where no hub can come before this centre.
 * Refused (22023) with what is to be done, before anything is changed.
 */
create function sync.register_table(
  p_tbl text, p_class text, p_open_columns text[] default '{}', p_schema integer default null
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_table regclass := to_regclass(format('makrcave.%I', coalesce(p_tbl, '')));
  v_columns text[];
  v_missing text;
  v_taken text;
  v_untyped text;
  v_unknown text;
  v_key text[];
  v_filled boolean := false;
  v_problem text;
begin
  select string_agg(format('%I %s', name, meant), ', ' order by place) into v_missing
  from (values (1, 'stream_id', 'uuid not null'), (2, 'id', 'uuid not null'), (3, 'created_at_ms', 'bigint not null'),
    (4, 'deleted_at_ms', 'bigint')) as kept (place, name, meant)
  where (name <> 'deleted_at_ms' or p_class = 'state') and not exists (
    select from pg_attribute
    where attrelid = v_table and attname = name and not attisdropped
      and format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end = meant);
  select array_agg(attname::text order by attnum) filter (where attname <> 'stream_id'),
    string_agg(format('%I', attname), ', ' order by attnum)
      filter (where attname in ('version', 'updated_at_ms') or attname like 'sync\_%'),
    string_agg(format('%I', attname), ', ' order by attnum)
      filter (where atttypid not in ('uuid'::regtype, 'text'::regtype, 'bigint'::regtype) or attgenerated <> '' or attidentity <> '')
  into v_columns, v_taken, v_untyped
  from pg_attribute where attrelid = v_table and attnum > 0 and not attisdropped;
  select array_agg(attname::text order by place) into v_key
  from pg_index, unnest(indkey::smallint[]) with ordinality as part (number, place), pg_attribute
  where indrelid = v_table and indisprimary and attrelid = v_table and attnum = number;
  select string_agg(format('%I', name), ', ') into v_unknown
  from unnest(p_open_columns) name
  where name = any ('{id,created_at_ms,deleted_at_ms}') or name <> all (v_columns);
  v_problem := case
    when v_table is null then 'is not there: create it first, in the same migration'
    when exists (select from sync.entity where tbl = p_tbl) then 'is registered already: leave this call out'
    when (select relkind from pg_class where oid = v_table) <> 'r' then 'is no plain table: create it as one'
    when p_class in ('state', 'append') is not true
      then format('cannot be of class %s: name state (rows change) or append (rows are only added)', coalesce(p_class, 'null'))
    when v_missing is not null then format('lacks %s: add that to its create table', v_missing)
    when v_key is distinct from '{stream_id,id}' then 'has another key: it must be primary key (stream_id, id)'
    when v_taken is not null
      then format('has %s, which each hub or replication keeps by itself: leave that out of its create table', v_taken)
    when v_untyped is not null
      then format('has %s of a kind that no hub has: make each column a plain uuid, text or bigint', v_untyped)
    when v_unknown is not null
      then format('cannot open %s to other applications: name columns of its own', v_unknown)
    when p_class = 'append' and cardinality(p_open_columns) > 0
      then 'cannot open columns to other applications: rows of class append never change'
  end;
  if v_problem is null then
    execute format('select exists (select from %s)', v_table) into v_filled;
    if v_filled then v_problem := 'has rows already: register it before anything is written to it'; end if;
  end if;
  if v_problem is not null then
    raise exception using errcode = '22023', message = format('makrcave.%s %s', coalesce(p_tbl, 'null'), v_problem);
  end if;

  execute format('alter table makrcave.%I owner to makrcave_owner', p_tbl);
  if p_class = 'state' then
    execute format(
      'alter table makrcave.%I add column sync_seq bigint not null, add column sync_hlc bigint not null, '
        || 'add column sync_hub uuid not null, add column sync_marks jsonb not null', p_tbl);
  else
    execute format('alter table makrcave.%I add column sync_hub uuid not null', p_tbl);
  end if;
  execute format('alter table makrcave.%I enable row level security', p_tbl);
  execute format('alter table makrcave.%I force row level security', p_tbl);
  execute format(
    'create policy own_site on makrcave.%I to makrcave_owner '
      || 'using (stream_id = (select nullif(current_setting(''sync.site'', true), '''')::uuid))', p_tbl);
  execute format('create policy all_sites on makrcave.%I for select to makrcave_reader using (true)', p_tbl);
  execute format('grant select on makrcave.%I to makrcave_reader', p_tbl);
  insert into sync.entity (tbl, class, place, columns, open_columns)
  select p_tbl, p_class, max(place) + 10, v_columns, coalesce(p_open_columns, '{}') from sync.entity;
  update sync.schema_range set newest = p_schema where newest < p_schema;
end $$;

-- Whoever migrates is the owner or may become it; nobody else registers a table.
revoke execute on function sync.register_table(text, text, text[], integer) from public;

reset role;
