-- What hubs may call. Each begins with who asks; all of it is one transaction of theirs. Compiling a plan takes longer than
-- any of them runs.

set local role makrcave_owner;

/*
 * What the centre knows of this hub, before anything else of a round: {status: ok, epoch, instance, last_seq, chain, head, cid,
 * floor, schema: [oldest, newest], now_ms, clock_ahead_ms, org_id} or {status: denied, reason}.
 */
create function sync.hello(
  p_site uuid, p_hub uuid, p_token bytea, p_release text, p_schema integer, p_now_ms bigint
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_hub sync.hub;
  v_refused text;
  v_stream sync.stream;
  v_range sync.schema_range;
  v_ahead bigint := coalesce(p_now_ms - sync.now_ms(), 0);
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  select * into v_hub from sync.hub where stream_id = p_site and hub_id = p_hub;
  select * into v_stream from sync.stream where stream_id = p_site;
  select * into v_range from sync.schema_range;
  if v_ahead < 300000 then v_ahead := 0; end if;
  -- Most calls only look.
  if (v_hub.clock_ahead_ms > 0) <> (v_ahead > 0) or v_hub.seen_at is null or v_hub.seen_at < now() - interval '30 seconds'
    or v_hub.release is distinct from p_release or v_hub.schema_number is distinct from p_schema
  then
    update sync.hub set seen_at = now(), release = p_release, schema_number = p_schema, clock_ahead_ms = v_ahead
    where stream_id = p_site and hub_id = p_hub;
  end if;
  if v_hub.collected_at is null or v_hub.collected_at < now() - interval '1 hour' then
    perform sync.collect(p_site, p_hub);
  end if;
  return jsonb_build_object(
    'status', 'ok', 'epoch', v_hub.epoch, 'instance', v_hub.instance, 'last_seq', v_hub.last_seq,
    'chain', encode(v_hub.chain, 'hex'), 'head', v_stream.head,
    'cid', (select cid from sync.change where stream_id = p_site and seq = v_stream.head), 'floor', v_stream.floor,
    'schema', jsonb_build_array(v_range.oldest, v_range.newest), 'now_ms', sync.now_ms(),
    'clock_ahead_ms', v_ahead, 'org_id', v_stream.org_id);
end $$;

/*
 * Takes the operations p_from to p_to of a hub's outbox: those on state tables one by one, rows of append tables column by
 * column (append_rows). Applied together; when one is bad (class 22 or 23), in parts of 50 and then one by one, and the
 * bad ones become dead letters. Any other failure is raised and nothing is kept.
 * Answers {status}: ok, with last_seq and what died; denied, fenced, gap (with last_seq), fork.
 */
create function sync.push(
  p_site uuid, p_hub uuid, p_token bytea, p_epoch integer, p_from bigint, p_to bigint, p_prev bytea, p_end bytea,
  p_ops jsonb, p_segments jsonb, p_bin bytea
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_hub sync.hub;
  v_refused text;
  v_head bigint;
  v_start bigint;
  v_ops jsonb := p_ops;
  v_dead jsonb := '[]';
  v_segment jsonb;
  v_count integer;
  v_from integer;
  v_to integer;
  v_whole boolean := true;
begin
  perform sync.enter(p_site);
  perform from sync.hub where stream_id = p_site and hub_id = p_hub for no key update;
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  select * into v_hub from sync.hub where stream_id = p_site and hub_id = p_hub;
  if p_to - p_from between 0 and 9999 is not true
    or pg_column_size(p_ops) + pg_column_size(p_segments) + pg_column_size(p_bin) > 16777216
  then
    raise exception using errcode = '54000', message = 'a batch has 1 to 10000 operations and at most 16 MiB';
  end if;
  if v_hub.epoch is distinct from p_epoch then return jsonb_build_object('status', 'fenced', 'epoch', v_hub.epoch); end if;
  if p_from > v_hub.last_seq + 1 then return jsonb_build_object('status', 'gap', 'last_seq', v_hub.last_seq); end if;
  if p_from = v_hub.last_seq + 1 and p_prev is distinct from v_hub.chain then
    return jsonb_build_object('status', 'fork', 'last_seq', v_hub.last_seq);
  end if;
  if p_from <= v_hub.last_seq then
    -- The answer that said so was lost.
    select coalesce(jsonb_agg(jsonb_build_object('seq', seq, 'sqlstate', sqlstate, 'message', message) order by seq), '[]')
    into v_dead
    from sync.dead_letter
    where stream_id = p_site and hub_id = p_hub and epoch = p_epoch and seq between p_from and v_hub.last_seq;
  end if;
  if p_to <= v_hub.last_seq then
    return jsonb_build_object('status', 'ok', 'last_seq', v_hub.last_seq, 'dead', v_dead);
  end if;
  if p_from <= v_hub.last_seq then
    select coalesce(jsonb_agg(value order by place), '[]') into v_ops
    from jsonb_array_elements(p_ops) with ordinality as op (value, place)
    where (value ->> 0)::bigint > v_hub.last_seq;
  end if;
  v_count := jsonb_array_length(v_ops);
  if v_count > 0 then
    -- From here to the commit nobody else adds a change to this stream, so that numbers appear in order and without gaps.
    select head into v_start from sync.stream where stream_id = p_site for no key update;
    v_head := v_start;
  end if;
  begin
    for v_segment in select value from jsonb_array_elements(p_segments) loop
      perform sync.append_rows(p_site, p_hub, v_segment, p_bin, 1, (v_segment ->> 'n')::integer);
    end loop;
    if v_count > 0 then v_head := sync.apply_ops(p_site, p_hub, p_epoch, v_ops, 1, v_count, v_start); end if;
  exception when others then
    if left(sqlstate, 2) not in ('22', '23') then raise; end if;
    v_whole := false;
  end;
  if not v_whole then
    v_head := v_start;
    for v_segment in select value from jsonb_array_elements(p_segments) loop
      for v_from in select generate_series(1, (v_segment ->> 'n')::integer, 50) loop
        v_to := least(v_from + 49, (v_segment ->> 'n')::integer);
        v_dead := v_dead || sync.append_some(p_site, p_hub, p_epoch, v_segment, p_bin, v_from, v_to);
      end loop;
    end loop;
    for v_from in select generate_series(1, v_count, 50) loop
      v_to := least(v_from + 49, v_count);
      begin
        v_head := sync.apply_ops(p_site, p_hub, p_epoch, v_ops, v_from, v_to, v_head);
      exception when others then
        if left(sqlstate, 2) not in ('22', '23') then raise; end if;
        for v_place in v_from .. v_to loop
          begin
            v_head := sync.apply_ops(p_site, p_hub, p_epoch, v_ops, v_place, v_place, v_head);
          exception when others then
            if left(sqlstate, 2) not in ('22', '23') then raise; end if;
            v_dead := v_dead || sync.bury(p_site, p_hub, p_epoch, (v_ops -> (v_place - 1) ->> 0)::bigint,
              v_ops -> (v_place - 1) ->> 1, v_ops -> (v_place - 1) ->> 2, sqlstate, sqlerrm,
              jsonb_build_object('op', v_ops -> (v_place - 1) -> 3, 'set', v_ops -> (v_place - 1) -> 4));
          end;
        end loop;
      end;
    end loop;
  end if;
  if v_head > v_start then update sync.stream set head = v_head where stream_id = p_site; end if;
  update sync.hub set last_seq = p_to, chain = p_end, seen_at = now()
  where stream_id = p_site and hub_id = p_hub;
  insert into sync.hub_mark (stream_id, hub_id, epoch, seq, chain) values (p_site, p_hub, p_epoch, p_to, p_end);
  return jsonb_build_object('status', 'ok', 'last_seq', p_to, 'dead', v_dead);
end $$;

/*
 * Rows of append tables that were there before the hub belonged to this centre: no operations, so no numbers.
 * {status: ok}; a bad row is raised.
 */
create function sync.add_rows(
  p_site uuid, p_hub uuid, p_token bytea, p_epoch integer, p_segments jsonb, p_bin bytea
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_refused text;
  v_segment jsonb;
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  if not exists (select from sync.hub where stream_id = p_site and hub_id = p_hub and epoch = p_epoch) then
    return jsonb_build_object('status', 'fenced');
  end if;
  for v_segment in select value from jsonb_array_elements(p_segments) loop
    perform sync.append_rows(p_site, p_hub, v_segment, p_bin, 1, (v_segment ->> 'n')::integer);
  end loop;
  return jsonb_build_object('status', 'ok');
end $$;

/*
 * Changes of a stream after p_after, of which the caller has seen p_cid: {status: ok, head, changes: [[seq, cid, tbl, pk,
 * op, set, hlc, hub, epoch, origin_seq]]}; snapshotRequired when they are gone; streamFork when the centre is not the one
 * that the caller has read from (it was restored from a backup).
 */
create function sync.pull(
  p_site uuid, p_hub uuid, p_token bytea, p_after bigint, p_cid uuid, p_limit integer
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_hub sync.hub;
  v_refused text;
  v_stream sync.stream;
  v_changes json;
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  select * into v_hub from sync.hub where stream_id = p_site and hub_id = p_hub;
  select * into v_stream from sync.stream where stream_id = p_site;
  if p_after < v_stream.floor then return jsonb_build_object('status', 'snapshotRequired', 'floor', v_stream.floor); end if;
  if p_after > v_stream.head or (p_after > v_stream.floor and p_cid is distinct from (
    select cid from sync.change where stream_id = p_site and seq = p_after))
  then
    return jsonb_build_object('status', 'streamFork', 'head', v_stream.head);
  end if;
  if v_hub.cursor <> p_after then
    update sync.hub set cursor = p_after where stream_id = p_site and hub_id = p_hub;
  end if;
  select json_agg(json_build_array(c.seq, c.cid, c.tbl, c.pk, c.op, c.set, c.hlc, c.origin_hub, c.origin_epoch, c.origin_seq)
    order by c.seq)
  into v_changes
  from (
    select * from sync.change where stream_id = p_site and seq > p_after order by seq limit least(p_limit, 5000)
  ) c;
  return jsonb_build_object('status', 'ok', 'head', v_stream.head, 'changes', coalesce(v_changes, '[]'));
end $$;

/*
 * Rows of one table by id after p_after, as they are, of append tables the hub's own. The first line is {status: ok, head,
 * cid, tables: [...], columns}, in which `tables` are all that there are, in an order in which what is referred to comes
 * first; then a JSON list for each row. Many small texts: one large one takes four times as long to put together.
 */
create function sync.snapshot(
  p_site uuid, p_hub uuid, p_token bytea, p_tbl text, p_after uuid, p_limit integer
) returns setof text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off
-- A page is a walk along the primary key, whatever statistics say of a table that was filled a moment ago.
set enable_bitmapscan = off set enable_seqscan = off as $$
declare
  v_refused text;
  v_stream sync.stream;
  v_entity sync.entity;
  v_list text;
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then
    return next json_build_object('status', 'denied', 'reason', v_refused)::text;
    return;
  end if;
  select * into v_stream from sync.stream where stream_id = p_site;
  select * into v_entity from sync.entity where tbl = p_tbl;
  return next json_build_object('status', 'ok', 'head', v_stream.head,
    'cid', (select cid from sync.change where stream_id = p_site and seq = v_stream.head),
    'tables', (select json_agg(tbl order by place) from sync.entity), 'columns', v_entity.columns)::text;
  if v_entity.tbl is null then return; end if;
  select string_agg(format('t.%I', name), ', ' order by place) into v_list
  from unnest(v_entity.columns) with ordinality as c (name, place);
  return query execute format(
    'select json_build_array(%s)::text from makrcave.%I t where t.stream_id = $1 and t.id > $2%s order by t.id limit $3',
    v_list, p_tbl, case v_entity.class when 'append' then ' and t.sync_hub = $4' else '' end)
  using p_site, coalesce(p_after, '00000000-0000-0000-0000-000000000000'), least(p_limit, 20000), p_hub;
end $$;

-- Marks of this hub, newest first, at or below p_seq: [[epoch, seq, chain]].
create function sync.marks(p_site uuid, p_hub uuid, p_token bytea, p_epoch integer, p_seq bigint, p_limit integer)
returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_refused text;
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  return jsonb_build_object('status', 'ok', 'marks', coalesce((
    select jsonb_agg(jsonb_build_array(seq, encode(chain, 'hex')) order by seq desc)
    from (
      select seq, chain from sync.hub_mark
      where stream_id = p_site and hub_id = p_hub and epoch = p_epoch and seq <= p_seq
      order by seq desc limit least(p_limit, 1000)
    ) newest), '[]'));
end $$;

/*
 * From here on the hub's operations are numbered anew, from p_from on with the chain p_chain: whoever pushes under the
 * epoch before is fenced. Refused (stale) when another was begun in the meantime.
 */
create function sync.begin_epoch(
  p_site uuid, p_hub uuid, p_token bytea, p_expected integer, p_instance uuid, p_from bigint, p_chain bytea
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_hub sync.hub;
  v_refused text;
begin
  perform sync.enter(p_site);
  perform from sync.hub where stream_id = p_site and hub_id = p_hub for no key update;
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  select * into v_hub from sync.hub where stream_id = p_site and hub_id = p_hub;
  if v_hub.epoch is distinct from p_expected then return jsonb_build_object('status', 'stale', 'epoch', v_hub.epoch); end if;
  update sync.hub set epoch = epoch + 1, instance = p_instance, last_seq = p_from, chain = p_chain, cursor = 0
  where stream_id = p_site and hub_id = p_hub;
  insert into sync.hub_mark (stream_id, hub_id, epoch, seq, chain)
  values (p_site, p_hub, p_expected + 1, p_from, p_chain);
  return jsonb_build_object('status', 'ok', 'epoch', p_expected + 1);
end $$;

-- Another token beside the one in use; with its first use that one is void.
create function sync.rotate_token(p_site uuid, p_hub uuid, p_token bytea, p_next_hash bytea) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_refused text;
begin
  v_refused := sync.authenticate(p_site, p_hub, p_token);
  if v_refused is not null then return jsonb_build_object('status', 'denied', 'reason', v_refused); end if;
  update sync.hub set next_token_hash = p_next_hash where stream_id = p_site and hub_id = p_hub;
  return jsonb_build_object('status', 'ok');
end $$;

/*
 * A hub with a one-time code becomes the one that the code was made for: a new epoch on its machine, its own token.
 * Whatever had that identity before is fenced. {status: ok, site, hub, epoch, name, rows} or {status: codeWrong}.
 * `isEmpty`: nothing was ever pushed to the site.
 */
create function sync.join(p_code_hash bytea, p_instance uuid, p_token_hash bytea, p_from bigint, p_chain bytea) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_code sync.invitation;
  v_hub sync.hub;
  v_stream sync.stream;
begin
  delete from sync.invitation where code_hash = p_code_hash and expires_at > now() returning * into v_code;
  if v_code.code_hash is null then return jsonb_build_object('status', 'codeWrong'); end if;
  perform sync.enter(v_code.stream_id);
  update sync.hub set token_hash = p_token_hash, next_token_hash = null, status = 'active', epoch = epoch + 1,
    instance = p_instance, last_seq = p_from, chain = p_chain, cursor = 0, seen_at = now()
  where stream_id = v_code.stream_id and hub_id = v_code.hub_id
  returning * into v_hub;
  insert into sync.hub_mark (stream_id, hub_id, epoch, seq, chain)
  values (v_hub.stream_id, v_hub.hub_id, v_hub.epoch, p_from, p_chain);
  select * into v_stream from sync.stream where stream_id = v_hub.stream_id;
  return jsonb_build_object('status', 'ok', 'site', v_hub.stream_id, 'site_name', v_stream.name, 'hub', v_hub.hub_id,
    'hub_name', v_hub.name, 'epoch', v_hub.epoch, 'head', v_stream.head, 'space', (select id from makrcave.site limit 1));
end $$;

-- For a code that was not used yet: what it is for, without using it up.
create function sync.look_up_code(p_code_hash bytea) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_code sync.invitation;
begin
  select * into v_code from sync.invitation where code_hash = p_code_hash and expires_at > now();
  if v_code.code_hash is null then return jsonb_build_object('status', 'codeWrong'); end if;
  perform sync.enter(v_code.stream_id);
  return (
    select jsonb_build_object('status', 'ok', 'site', s.stream_id, 'site_name', s.name, 'hub', h.hub_id,
      'hub_name', h.name, 'head', s.head, 'epoch', h.epoch, 'space', (select id from makrcave.site limit 1))
    from sync.stream s join sync.hub h using (stream_id)
    where s.stream_id = v_code.stream_id and h.hub_id = v_code.hub_id);
end $$;

reset role;
