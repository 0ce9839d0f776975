-- How operations and rows are applied. Called by the functions that hubs may call; nobody else may.

set local role makrcave_owner;

-- Everything of one site from here to the end of the transaction.
create function sync.enter(p_site uuid) returns void language sql volatile
set search_path = pg_catalog, pg_temp as $$
  select set_config('sync.site', p_site::text, true);
$$;

-- Null for a hub that has this token; else why it is refused. Rows of its site are there from here on.
create function sync.authenticate(p_site uuid, p_hub uuid, p_token bytea) returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_hash bytea := sha256(p_token);
  v_hub sync.hub;
begin
  perform sync.enter(p_site);
  select * into v_hub from sync.hub where stream_id = p_site and hub_id = p_hub;
  -- No token is no token, not one of which nothing is known.
  if v_hash is null or v_hub.token_hash is null then return 'tokenWrong'; end if;
  if v_hub.db_role is not null and v_hub.db_role <> session_user then return 'roleWrong'; end if;
  if v_hash not in (v_hub.token_hash, coalesce(v_hub.next_token_hash, v_hub.token_hash)) then
    return 'tokenWrong';
  end if;
  if v_hub.status <> 'active' then return 'revoked'; end if;
  if v_hub.token_hash <> v_hash then
    update sync.hub set token_hash = v_hash, next_token_hash = null where stream_id = p_site and hub_id = p_hub;
  end if;
  return null;
end $$;

create function sync.now_ms() returns bigint language sql volatile set search_path = pg_catalog, pg_temp as $$
  select (extract(epoch from clock_timestamp()) * 1000)::bigint;
$$;

-- One SQL expression that makes column `p_column` of rows from a segment's encoding of it (see append_rows).
create function sync.column_expression(p_column text, p_kind text, p_type text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case p_kind
    when 'v' then format('(k.%I)[1]::%s', 'd_' || p_column, p_type)
    when 'a' then format('u.%I::%s', p_column, p_type)
    when 's' then format('(k.%I + u.i - 1)::%s', 'b_' || p_column, p_type)
    when 'n' then format('(k.%I + u.%I)::%s', 'b_' || p_column, p_column, p_type)
    when 'd' then format('(k.%I)[u.%I]::%s', 'd_' || p_column, p_column, p_type)
    when 't' then format(
      'case u.%1$I when 0 then u.%2$I '
        || 'else format((k.%3$I)[u.%1$I], variadic string_to_array(u.%2$I, ''/'')) end::%4$s',
      p_column, 'n_' || p_column, 'd_' || p_column, p_type)
    when 'u' then format('nullif(encode(substr(k.bin, k.%1$I + (u.i - 1) * 16, 16), ''hex''), repeat(''0'', 32))::uuid::%2$s',
      'b_' || p_column, p_type)
    when 'h' then format(
      'nullif(encode(substr(k.bin, k.%1$I + (u.i - 1) * k.%2$I, k.%2$I), ''hex''), repeat(''0'', 2 * k.%2$I))::%3$s',
      'b_' || p_column, 'w_' || p_column, p_type)
  end;
$$;

/*
 * Adds rows of an append table that came column by column: {"tbl", "n", "columns": {name: encoding}}. Encodings:
 * v one value for all; a an array; s integers that count up from `b`; n integers, each the distance from `b`; d a
 * dictionary and each row's place in it;
 * t texts that differ in numbers: a dictionary of templates for format(), each row's place in it and its numbers with `/`
 * between (place 0: the text itself); u UUIDs and h hexadecimal digits, `w` bytes each in p_bin from offset `b` (zeros:
 * null). What is there already stays.
 */
create function sync.append_rows(
  p_site uuid, p_hub uuid, p_segment jsonb, p_bin bytea, p_from integer, p_to integer
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_tbl text := p_segment ->> 'tbl';
  v_known text[];
  v_column text;
  v_spec jsonb;
  v_kind text;
  v_type text;
  v_columns text := '';
  v_values text := '';
  v_parts text := '';
  v_arrays text := '';
  v_names text := '';
begin
  if (p_segment ->> 'n')::integer not between 0 and 20000 then
    raise exception using errcode = '54000', message = 'a segment has at most 20000 rows';
  end if;
  select columns into v_known from sync.entity where tbl = v_tbl and class = 'append';
  if v_known is null then
    raise exception using errcode = '23514', message = format('%s is no table of this centre that rows are added to', v_tbl);
  end if;
  for v_column, v_spec in select key, value from jsonb_each(p_segment -> 'columns') loop
    if v_column <> all (v_known) then
      raise exception using errcode = '23514', message = format('%s has no column %s here', v_tbl, v_column);
    end if;
    v_kind := v_spec ->> 'k';
    if v_kind in ('v', 'a', 's', 'n', 'd', 't', 'u', 'h') is not true then
      raise exception using errcode = '22023', message = format('%s is no encoding of a column', v_kind);
    end if;
    select format_type(atttypid, atttypmod) into v_type from pg_attribute
    where attrelid = format('makrcave.%I', v_tbl)::regclass and attname = v_column;
    v_columns := v_columns || format(', %I', v_column);
    v_values := v_values || ', ' || sync.column_expression(v_column, v_kind, v_type);
    if v_kind in ('v', 'd', 't') then
      v_parts := v_parts || format(', array(select jsonb_array_elements_text(s.segment #> %L)) as %I',
        array['columns', v_column, 'd'], 'd_' || v_column);
    end if;
    if v_kind = 't' then
      v_parts := v_parts
        || format(', (s.segment #>> %L)::text[] as %I', array['columns', v_column, 'n'], 'n_' || v_column);
      v_arrays := v_arrays || format(', unnest(k.%I)', 'n_' || v_column);
      v_names := v_names || format(', %I', 'n_' || v_column);
    end if;
    if v_kind in ('s', 'n') then
      v_parts := v_parts
        || format(', (s.segment #>> %L)::bigint as %I', array['columns', v_column, 'b'], 'b_' || v_column);
    end if;
    if v_kind in ('u', 'h') then
      v_parts := v_parts
        || format(', (s.segment #>> %L)::integer + 1 as %I', array['columns', v_column, 'b'], 'b_' || v_column)
        || format(', (s.segment #>> %L)::integer as %I', array['columns', v_column, 'w'], 'w_' || v_column);
    end if;
    if v_kind in ('a', 'n', 'd', 't') then
      v_parts := v_parts || format(', (s.segment #>> %L)::%s as %I', array['columns', v_column, 'a'],
        case v_kind when 'a' then 'text[]' when 'n' then 'bigint[]' else 'smallint[]' end, 'a_' || v_column);
      v_arrays := v_arrays || format(', unnest(k.%I)', 'a_' || v_column);
      v_names := v_names || format(', %I', v_column);
    end if;
  end loop;
  -- Each parameter stands once: the planner copies it wherever it stands, and it is large.
  execute format(
    'with s as materialized (select $1 as segment, $2 as bin), k as materialized (select s.bin%s from s) '
      || 'insert into makrcave.%I (stream_id, sync_hub%s) select $3, $7%s '
      || 'from k, rows from (generate_series(1, $6)%s) as u (i%s) '
      || 'where u.i between $4 and $5 on conflict do nothing',
    v_parts, v_tbl, v_columns, v_values, v_arrays, v_names)
  using p_segment, p_bin, p_site, p_from, p_to, (p_segment ->> 'n')::integer, p_hub;
end $$;

/*
 * Applies one operation on a row of a state table and notes what came of it as one change with number p_seq: the value of
 * every column that was touched, also where the operation lost. A column is won by whoever wrote it last itself and now
 * writes later (not what comes once more, from an old backup), by who had seen its last value (p_base, no clock), else by
 * the later hybrid time, where one that is ahead counts as five minutes ahead. Conflicts between two hands come back; null
 * for an erasure of a row that never came, which is no change.
 */
create function sync.apply_op(
  p_site uuid, p_hub uuid, p_epoch integer, p_origin_seq bigint, p_seq bigint,
  p_tbl text, p_pk uuid, p_op text, p_set jsonb, p_base bigint, p_hlc bigint, p_erases boolean
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_known text[];
  v_row jsonb;
  v_time bigint := least(p_hlc, (sync.now_ms() + 300000) * 2048);
  v_key text;
  v_value jsonb;
  v_mark jsonb;
  v_seq bigint;
  v_hlc bigint;
  v_hub uuid;
  v_wins boolean;
  v_won jsonb := '{}';
  v_marks jsonb := '{}';
  v_result jsonb := '{}';
  v_conflicts jsonb := '[]';
begin
  if p_op = 'unsendable' then
    raise exception using errcode = '22021', message = 'the row holds a character that Postgres does not take (NUL)';
  end if;
  select columns into v_known from sync.entity where tbl = p_tbl and class = 'state';
  if v_known is null then
    raise exception using errcode = '23514', message = format('%s is no table of this centre', p_tbl);
  end if;
  for v_key in select jsonb_object_keys(p_set) loop
    if v_key <> all (v_known) then
      raise exception using errcode = '23514', message = format('%s has no column %s here', p_tbl, v_key);
    end if;
  end loop;
  execute format('select to_jsonb(t) from makrcave.%I t where stream_id = $1 and id = $2 for update', p_tbl)
  into v_row using p_site, p_pk;
  if v_row is null then
    if p_erases then
      perform sync.erase(p_site, p_tbl, p_pk, p_set);
      return null;
    end if;
    if p_op <> 'insert' then
      raise exception using errcode = '23503', message = format('%s %s is not there to be changed', p_tbl, p_pk);
    end if;
    -- A time that does not count is kept with each column: the hub's later ones are told from its earlier ones by it.
    if v_time < p_hlc then
      select coalesce(jsonb_object_agg(key, jsonb_build_array(p_seq, v_time, p_hub, p_hlc)), '{}') into v_marks
      from jsonb_object_keys(p_set) key;
    end if;
    execute format('insert into makrcave.%1$I select * from jsonb_populate_record(null::makrcave.%1$I, $1)', p_tbl)
    using p_set || jsonb_build_object('stream_id', p_site, 'id', p_pk, 'sync_seq', p_seq, 'sync_hlc', v_time,
      'sync_hub', p_hub, 'sync_marks', v_marks);
    v_result := p_set;
  else
    for v_key, v_value in select key, value from jsonb_each(p_set) loop
      v_mark := v_row -> 'sync_marks' -> v_key;
      v_seq := coalesce((v_mark ->> 0)::bigint, (v_row ->> 'sync_seq')::bigint);
      v_hlc := coalesce((v_mark ->> 1)::bigint, (v_row ->> 'sync_hlc')::bigint);
      v_hub := coalesce((v_mark ->> 2)::uuid, (v_row ->> 'sync_hub')::uuid);
      v_wins := v_seq <= p_base or case when v_hub = p_hub
        then p_hlc >= coalesce((v_mark ->> 3)::bigint, v_hlc) else (v_time, p_hub) > (v_hlc, v_hub) end;
      if v_hub <> p_hub and v_seq > p_base and v_row -> v_key is distinct from v_value and not p_erases
        and p_tbl <> 'sync_conflict'
      then
        v_conflicts := v_conflicts || jsonb_build_array(jsonb_build_object(
          'col', v_key,
          'kept', case when v_wins then v_value else v_row -> v_key end,
          'lost', case when v_wins then v_row -> v_key else v_value end,
          'kept_by', case when v_wins then p_hub else v_hub end,
          'lost_by', case when v_wins then v_hub else p_hub end,
          'kept_at_ms', case when v_wins then v_time else v_hlc end / 2048,
          'lost_at_ms', case when v_wins then v_hlc else v_time end / 2048));
      end if;
      if v_wins or p_erases then
        v_won := v_won || jsonb_build_object(v_key, v_value);
        v_marks := v_marks || jsonb_build_object(v_key, case when v_time < p_hlc
          then jsonb_build_array(p_seq, v_time, p_hub, p_hlc) else jsonb_build_array(p_seq, v_time, p_hub) end);
        v_result := v_result || jsonb_build_object(v_key, v_value);
      else
        v_result := v_result || jsonb_build_object(v_key, v_row -> v_key);
      end if;
    end loop;
    if v_won <> '{}' then
      execute format(
        'update makrcave.%1$I t set (%2$s, sync_marks) = (select %2$s, t.sync_marks || $2 '
          || 'from jsonb_populate_record(null::makrcave.%1$I, $1)) where t.stream_id = $3 and t.id = $4',
        p_tbl, (select string_agg(format('%I', key), ', ') from jsonb_object_keys(v_won) key))
      using v_won, v_marks, p_site, p_pk;
    end if;
    if p_erases then perform sync.erase(p_site, p_tbl, p_pk, p_set); end if;
  end if;
  insert into sync.change (stream_id, seq, cid, tbl, pk, op, set, hlc, origin_hub, origin_epoch, origin_seq)
  values (p_site, p_seq, gen_random_uuid(), p_tbl, p_pk, p_op, v_result, v_time, p_hub, p_epoch, p_origin_seq);
  update sync.dead_letter set resolved_at = now()
  where stream_id = p_site and tbl = p_tbl and pk = p_pk::text and resolved_at is null
    and not exists (select from jsonb_object_keys(op -> 'set') key where not p_set ? key);
  return v_conflicts;
end $$;

-- What was erased is nowhere any more: not in older changes, not in operations that could not be applied.
create function sync.erase(p_site uuid, p_tbl text, p_pk uuid, p_set jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  update sync.change c set set = c.set
    || (select jsonb_object_agg(key, value) from jsonb_each(p_set) where c.set ? key)
  where c.stream_id = p_site and c.tbl = p_tbl and c.pk = p_pk
    and exists (select from jsonb_object_keys(p_set) key where c.set ? key);
  update sync.dead_letter d set op = jsonb_set(d.op, '{set}', (d.op -> 'set')
    || (select jsonb_object_agg(key, value) from jsonb_each(p_set) where d.op -> 'set' ? key))
  where d.stream_id = p_site and d.tbl = p_tbl and d.pk = p_pk::text
    and exists (select from jsonb_object_keys(p_set) key where d.op -> 'set' ? key);
end $$;

/*
 * Applies operations on state tables, places p_from to p_to of p_ops: [seq, tbl, pk, op, set, base, hlc, erases] each.
 * p_head is the number of the last change; the new one comes back. The caller holds the stream's row.
 */
create function sync.apply_ops(
  p_site uuid, p_hub uuid, p_epoch integer, p_ops jsonb, p_from integer, p_to integer, p_head bigint
) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_op jsonb;
  v_conflict jsonb;
  v_conflicts jsonb;
  v_id uuid;
begin
  for i in p_from - 1 .. p_to - 1 loop
    v_op := p_ops -> i;
    p_head := p_head + 1;
    v_conflicts := sync.apply_op(p_site, p_hub, p_epoch, (v_op ->> 0)::bigint, p_head, v_op ->> 1, (v_op ->> 2)::uuid,
      v_op ->> 3, v_op -> 4, (v_op ->> 5)::bigint, (v_op ->> 6)::bigint, (v_op ->> 7)::boolean);
    if v_conflicts is null then p_head := p_head - 1; end if;
    for v_conflict in select value from jsonb_array_elements(v_conflicts) loop
      p_head := p_head + 1;
      v_id := gen_random_uuid();
      perform sync.apply_op(p_site, '00000000-0000-0000-0000-000000000000', 0, 0, p_head, 'sync_conflict', v_id, 'insert',
        jsonb_build_object(
          'id', v_id, 'tbl', v_op ->> 1, 'pk', v_op ->> 2, 'col', v_conflict ->> 'col',
          'kept', (v_conflict -> 'kept')::text, 'lost', (v_conflict -> 'lost')::text,
          'kept_by', v_conflict ->> 'kept_by', 'lost_by', v_conflict ->> 'lost_by',
          'kept_at_ms', v_conflict -> 'kept_at_ms', 'lost_at_ms', v_conflict -> 'lost_at_ms',
          'settled_at_ms', null, 'settled_by', null, 'created_at_ms', sync.now_ms()),
        p_head, sync.now_ms() * 2048, false);
    end loop;
  end loop;
  return p_head;
end $$;

-- Part of a segment; when one of it is bad, each row by itself. What died.
create function sync.append_some(
  p_site uuid, p_hub uuid, p_epoch integer, p_segment jsonb, p_bin bytea, p_from integer, p_to integer
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_dead jsonb := '[]';
begin
  begin
    perform sync.append_rows(p_site, p_hub, p_segment, p_bin, p_from, p_to);
    return v_dead;
  exception when others then
    if left(sqlstate, 2) not in ('22', '23') then raise; end if;
  end;
  for v_place in p_from .. p_to loop
    begin
      perform sync.append_rows(p_site, p_hub, p_segment, p_bin, v_place, v_place);
    exception when others then
      if left(sqlstate, 2) not in ('22', '23') then raise; end if;
      -- The hub has the row and its id; the place in the segment is enough to find them.
      v_dead := v_dead || sync.bury(p_site, p_hub, p_epoch,
        (p_segment ->> 'first')::bigint + coalesce(((p_segment ->> 'seqs')::integer[])[v_place], v_place - 1),
        p_segment ->> 'tbl', '', sqlstate, sqlerrm, '{"op": "insert"}');
    end;
  end loop;
  return v_dead;
end $$;

create function sync.bury(
  p_site uuid, p_hub uuid, p_epoch integer, p_seq bigint, p_tbl text, p_pk text, p_sqlstate text, p_message text, p_op jsonb
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  insert into sync.dead_letter (stream_id, hub_id, epoch, seq, tbl, pk, sqlstate, message, op)
  values (p_site, p_hub, p_epoch, p_seq, p_tbl, p_pk, p_sqlstate, left(p_message, 500), p_op)
  on conflict (stream_id, hub_id, epoch, seq) do nothing;
  return jsonb_build_array(jsonb_build_object('seq', p_seq, 'sqlstate', p_sqlstate, 'message', left(p_message, 500)));
end $$;

-- Forgets changes that every hub has read, and those older than 90 days; a bounded part at a time.
create function sync.collect(p_site uuid, p_hub uuid) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  v_floor bigint;
begin
  update sync.hub set collected_at = now() where stream_id = p_site and hub_id = p_hub;
  perform from sync.stream where stream_id = p_site for no key update;
  select least(
    (select min(cursor) from sync.hub where stream_id = p_site and status = 'active'),
    (select max(seq) from (select seq from sync.change where stream_id = p_site order by seq limit 10000) oldest))
  into v_floor;
  -- What hubs may still need to tell a restored centre by: the last thousand stay.
  v_floor := least(v_floor, (select head - 1000 from sync.stream where stream_id = p_site));
  v_floor := greatest(v_floor, (
    select max(seq) from (
      select seq from sync.change where stream_id = p_site and made_at < now() - interval '90 days' order by seq limit 10000
    ) expired));
  if v_floor > (select floor from sync.stream where stream_id = p_site) then
    delete from sync.change where stream_id = p_site and seq <= v_floor;
    update sync.stream set floor = v_floor where stream_id = p_site;
  end if;
  delete from sync.hub_mark where stream_id = p_site and made_at < now() - interval '90 days';
  delete from sync.invitation where expires_at < now();
end $$;

reset role;
