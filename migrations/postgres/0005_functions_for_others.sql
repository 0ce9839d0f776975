-- What other applications may call, and what whoever runs the centre does.

set local role makrcave_owner;

/*
 * For other applications: changes rows that are there, in columns that are open to them; everything or nothing.
 * p_ops: [{"tbl", "pk", "set": {column: value}}]. The number of the last change comes back.
 */
create function sync.submit(p_site uuid, p_ops jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_op jsonb;
  v_open text[];
  v_head bigint;
  v_key text;
begin
  perform sync.enter(p_site);
  select head into v_head from sync.stream where stream_id = p_site for no key update;
  if v_head is null then
    raise exception using errcode = '22023', message = format('there is no site %s', p_site);
  end if;
  for v_op in select value from jsonb_array_elements(p_ops) loop
    select open_columns into v_open from sync.entity where tbl = v_op ->> 'tbl';
    for v_key in select jsonb_object_keys(v_op -> 'set') loop
      if v_open is null or v_key <> all (v_open) then
        raise exception using errcode = '42501',
          message = format('%s.%s is written by the space alone', v_op ->> 'tbl', v_key),
          hint = format('open to other applications: %s',
            coalesce((select string_agg(tbl || '.' || name, ', ') from sync.entity, unnest(open_columns) name), 'nothing'));
      end if;
    end loop;
    v_head := sync.apply_ops(p_site, '00000000-0000-0000-0000-000000000000', 0, jsonb_build_array(jsonb_build_array(
      0, v_op ->> 'tbl', v_op ->> 'pk', 'update', v_op -> 'set', v_head, sync.now_ms() * 2048, false)), 1, 1, v_head);
  end loop;
  update sync.stream set head = v_head where stream_id = p_site;
  return v_head;
end $$;

-- For whoever runs the centre. The code itself is made by the caller, who alone knows it.
create function sync.add_site(p_name text, p_org uuid default null) returns uuid
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_site uuid := gen_random_uuid();
begin
  perform sync.enter(v_site);
  insert into sync.stream (stream_id, kind, name, org_id) values (v_site, 'site', p_name, p_org);
  return v_site;
end $$;

create function sync.add_hub(p_site uuid, p_name text, p_code_hash bytea, p_minutes integer, p_role text default null)
returns uuid
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_hub uuid := gen_random_uuid();
begin
  perform sync.enter(p_site);
  if not exists (select from sync.stream where stream_id = p_site) then
    raise exception using errcode = '22023', message = format('there is no site %s', p_site);
  end if;
  insert into sync.hub (stream_id, hub_id, name, db_role) values (p_site, v_hub, p_name, p_role);
  insert into sync.invitation (code_hash, stream_id, hub_id, expires_at)
  values (p_code_hash, p_site, v_hub, now() + make_interval(mins => p_minutes));
  return v_hub;
end $$;

-- A code by which another machine takes the place of a hub that is dead, or was stolen and so revoked.
create function sync.replace_hub(p_site uuid, p_hub uuid, p_code_hash bytea, p_minutes integer) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
begin
  perform sync.enter(p_site);
  if not exists (select from sync.hub where stream_id = p_site and hub_id = p_hub) then
    raise exception using errcode = '22023', message = format('site %s has no hub %s', p_site, p_hub);
  end if;
  insert into sync.invitation (code_hash, stream_id, hub_id, expires_at)
  values (p_code_hash, p_site, p_hub, now() + make_interval(mins => p_minutes));
end $$;

create function sync.revoke_hub(p_site uuid, p_hub uuid) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set jit = off as $$
begin
  perform sync.enter(p_site);
  update sync.hub set status = 'revoked' where stream_id = p_site and hub_id = p_hub;
  if not found then
    raise exception using errcode = '22023', message = format('site %s has no hub %s', p_site, p_hub);
  end if;
  delete from sync.invitation where stream_id = p_site and hub_id = p_hub;
end $$;

revoke execute on all functions in schema sync from public;
grant execute on function
  sync.hello(uuid, uuid, bytea, text, integer, bigint),
  sync.push(uuid, uuid, bytea, integer, bigint, bigint, bytea, bytea, jsonb, jsonb, bytea),
  sync.add_rows(uuid, uuid, bytea, integer, jsonb, bytea),
  sync.pull(uuid, uuid, bytea, bigint, uuid, integer),
  sync.snapshot(uuid, uuid, bytea, text, uuid, integer),
  sync.marks(uuid, uuid, bytea, integer, bigint, integer),
  sync.begin_epoch(uuid, uuid, bytea, integer, uuid, bigint, bytea),
  sync.rotate_token(uuid, uuid, bytea, bytea),
  sync.join(bytea, uuid, bytea, bigint, bytea),
  sync.look_up_code(bytea)
to makrcave_hub;
grant execute on function sync.submit(uuid, jsonb) to makrcave_app;

reset role;
