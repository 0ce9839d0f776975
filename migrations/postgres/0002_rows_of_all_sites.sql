-- The rows of all sites as plain tables, so that anybody can ask about all of them in one statement. Columns are those of
-- the hub's tables but for `version` and `updated_at_ms`, which are each hub's own; times are UTC ms; what is JSON at the
-- hub is its text here, byte for byte.

set local role makrcave_owner;

create table makrcave.site (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  time_zone text not null,
  claimed_at_ms bigint not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.account (
  stream_id uuid not null,
  id uuid not null,
  username text not null,
  display_name text not null,
  status text not null,
  member_id uuid,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.service_account (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  purpose text not null,
  owner_id uuid not null,
  scopes text not null,
  status text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.role (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  description text not null,
  built_in bigint not null,
  permissions text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.role_assignment (
  stream_id uuid not null,
  id uuid not null,
  account_id uuid not null,
  role_id uuid not null,
  expires_at_ms bigint,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.audit_entry (
  stream_id uuid not null,
  id uuid not null,
  seq bigint not null,
  at_ms bigint not null,
  actor_kind text not null,
  actor_id text,
  action text not null,
  target_table text,
  target_id text,
  payload_digest text not null,
  prev_hash text not null,
  hash text not null,
  created_at_ms bigint not null,
  primary key (stream_id, id)
);

create table makrcave.audit_payload (
  stream_id uuid not null,
  id uuid not null,
  salt text,
  actor_name text,
  body text,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.member (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  number bigint not null,
  name text not null check (length(name) between 1 and 200),
  email text check (length(email) <= 254),
  phone text,
  locale text,
  date_of_birth text,
  guardian text,
  notes text,
  waiver_version text,
  waiver_date text,
  extended_access bigint not null,
  status text not null,
  status_reason text,
  status_since_ms bigint not null,
  primary key (stream_id, id)
);

create table makrcave.plan (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  name text not null,
  name_key text not null,
  description text,
  price_minor bigint not null,
  currency text not null,
  billing_interval text not null,
  grace_days bigint not null,
  overdue_days bigint not null,
  active bigint not null,
  primary key (stream_id, id)
);

create table makrcave.member_group (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  name text not null,
  name_key text not null,
  description text,
  primary key (stream_id, id)
);

create table makrcave.member_group_entry (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  member_id uuid not null,
  group_id uuid not null,
  primary key (stream_id, id)
);

create table makrcave.membership (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  member_id uuid not null,
  plan_id uuid not null,
  state text not null,
  state_since_ms bigint not null,
  state_reason text,
  from_ms bigint,
  until_ms bigint,
  renews bigint not null,
  grace_days bigint not null,
  overdue_days bigint not null,
  due_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.hold (
  stream_id uuid not null,
  id uuid not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  member_id uuid not null,
  reason text not null,
  placed_by text not null,
  released_by text,
  released_at_ms bigint,
  release_note text,
  primary key (stream_id, id)
);

create table makrcave.area (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  parent_id uuid,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.bridge (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.portal (
  stream_id uuid not null,
  id uuid not null,
  bridge_id uuid not null,
  key text not null,
  name text not null,
  area_id uuid,
  settings text not null,
  override text,
  readers text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  walk_seconds bigint not null,
  primary key (stream_id, id)
);

create table makrcave.access_rule (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  subject_kind text not null,
  subject_id text,
  target_kind text not null,
  target_id text,
  windows text not null,
  outside_opening_hours bigint not null,
  valid_from_ms bigint,
  valid_until_ms bigint,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.opening_hours (
  stream_id uuid not null,
  id uuid not null,
  area_id uuid,
  windows text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.schedule_exception (
  stream_id uuid not null,
  id uuid not null,
  date text not null,
  name text not null,
  area_id uuid,
  windows text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.credential (
  stream_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  label text not null,
  status text not null,
  assurance bigint not null,
  valid_from_ms bigint,
  valid_until_ms bigint,
  masked text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  kind text not null,
  primary key (stream_id, id)
);

create table makrcave.access_event (
  stream_id uuid not null,
  id uuid not null,
  bridge_id uuid not null,
  journal_id uuid not null,
  seq bigint not null,
  kind text not null,
  at_ms bigint not null,
  clock_trust text not null,
  portal_id uuid,
  reader_key text,
  credential_id uuid,
  member_id uuid,
  digest text,
  reason text,
  details text not null,
  created_at_ms bigint not null,
  primary key (stream_id, id)
);

create table makrcave.access_alarm (
  stream_id uuid not null,
  id uuid not null,
  kind text not null,
  event_id uuid not null,
  portal_id uuid,
  member_id uuid,
  at_ms bigint not null,
  acknowledged_at_ms bigint,
  acknowledged_by text,
  note text,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.suspected_copy (
  stream_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  from_portal_id uuid not null,
  from_at_ms bigint not null,
  to_portal_id uuid not null,
  to_at_ms bigint not null,
  walk_seconds bigint not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.webhook (
  stream_id uuid not null,
  id uuid not null,
  name text not null,
  url text not null,
  topics text not null,
  active bigint not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.mqtt_device (
  stream_id uuid not null,
  id uuid not null,
  username text not null,
  name text not null,
  rights text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

-- Card readings and PINs, sealed under a key that this centre does not have but wrapped.
create table makrcave.credential_seal (
  stream_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  sealed text not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.card_key_wrap (
  stream_id uuid not null,
  id uuid not null,
  key_id text not null,
  salt text not null,
  wrapped text not null,
  made_at_ms bigint not null,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

create table makrcave.sync_conflict (
  stream_id uuid not null,
  id uuid not null,
  tbl text not null,
  pk uuid not null,
  col text not null,
  -- JSON.
  kept text not null,
  lost text not null,
  kept_by uuid not null,
  lost_by uuid not null,
  kept_at_ms bigint not null,
  lost_at_ms bigint not null,
  settled_at_ms bigint,
  settled_by text,
  created_at_ms bigint not null,
  deleted_at_ms bigint,
  primary key (stream_id, id)
);

insert into sync.entity (tbl, class, place, columns, open_columns) values
  ('site', 'state', 10, '{id,name,time_zone,claimed_at_ms,created_at_ms,deleted_at_ms}', '{}'),
  ('account', 'state', 20, '{id,username,display_name,status,member_id,created_at_ms,deleted_at_ms}', '{}'),
  ('service_account', 'state', 30, '{id,name,purpose,owner_id,scopes,status,created_at_ms,deleted_at_ms}', '{}'),
  ('role', 'state', 40, '{id,name,description,built_in,permissions,created_at_ms,deleted_at_ms}', '{}'),
  ('role_assignment', 'state', 50, '{id,account_id,role_id,expires_at_ms,created_at_ms,deleted_at_ms}', '{}'),
  ('audit_entry', 'append', 60, '{id,seq,at_ms,actor_kind,actor_id,action,target_table,target_id,payload_digest,prev_hash,hash,created_at_ms}', '{}'),
  ('audit_payload', 'state', 70, '{id,salt,actor_name,body,created_at_ms,deleted_at_ms}', '{}'),
  ('member', 'state', 80, '{id,created_at_ms,deleted_at_ms,number,name,email,phone,locale,date_of_birth,guardian,notes,waiver_version,waiver_date,extended_access,status,status_reason,status_since_ms}', '{name,email,phone,locale,date_of_birth,guardian,notes}'),
  ('plan', 'state', 90, '{id,created_at_ms,deleted_at_ms,name,name_key,description,price_minor,currency,billing_interval,grace_days,overdue_days,active}', '{}'),
  ('member_group', 'state', 100, '{id,created_at_ms,deleted_at_ms,name,name_key,description}', '{}'),
  ('member_group_entry', 'state', 110, '{id,created_at_ms,deleted_at_ms,member_id,group_id}', '{}'),
  ('membership', 'state', 120, '{id,created_at_ms,deleted_at_ms,member_id,plan_id,state,state_since_ms,state_reason,from_ms,until_ms,renews,grace_days,overdue_days,due_at_ms}', '{}'),
  ('hold', 'state', 130, '{id,created_at_ms,deleted_at_ms,member_id,reason,placed_by,released_by,released_at_ms,release_note}', '{}'),
  ('area', 'state', 140, '{id,name,parent_id,created_at_ms,deleted_at_ms}', '{}'),
  ('bridge', 'state', 150, '{id,name,created_at_ms,deleted_at_ms}', '{}'),
  ('portal', 'state', 160, '{id,bridge_id,key,name,area_id,settings,override,readers,created_at_ms,deleted_at_ms,walk_seconds}', '{}'),
  ('access_rule', 'state', 170, '{id,name,subject_kind,subject_id,target_kind,target_id,windows,outside_opening_hours,valid_from_ms,valid_until_ms,created_at_ms,deleted_at_ms}', '{}'),
  ('opening_hours', 'state', 180, '{id,area_id,windows,created_at_ms,deleted_at_ms}', '{}'),
  ('schedule_exception', 'state', 190, '{id,date,name,area_id,windows,created_at_ms,deleted_at_ms}', '{}'),
  ('credential', 'state', 200, '{id,member_id,label,status,assurance,valid_from_ms,valid_until_ms,masked,created_at_ms,deleted_at_ms,kind}', '{}'),
  ('access_event', 'append', 210, '{id,bridge_id,journal_id,seq,kind,at_ms,clock_trust,portal_id,reader_key,credential_id,member_id,digest,reason,details,created_at_ms}', '{}'),
  ('access_alarm', 'state', 220, '{id,kind,event_id,portal_id,member_id,at_ms,acknowledged_at_ms,acknowledged_by,note,created_at_ms,deleted_at_ms}', '{}'),
  ('suspected_copy', 'state', 230, '{id,credential_id,from_portal_id,from_at_ms,to_portal_id,to_at_ms,walk_seconds,created_at_ms,deleted_at_ms}', '{}'),
  ('webhook', 'state', 240, '{id,name,url,topics,active,created_at_ms,deleted_at_ms}', '{}'),
  ('mqtt_device', 'state', 250, '{id,username,name,rights,created_at_ms,deleted_at_ms}', '{}'),
  ('credential_seal', 'state', 252, '{id,credential_id,sealed,created_at_ms,deleted_at_ms}', '{}'),
  ('card_key_wrap', 'state', 254, '{id,key_id,salt,wrapped,made_at_ms,created_at_ms,deleted_at_ms}', '{}'),
  ('sync_conflict', 'state', 260, '{id,tbl,pk,col,kept,lost,kept_by,lost_by,kept_at_ms,lost_at_ms,settled_at_ms,settled_by,created_at_ms,deleted_at_ms}', '{}');

-- What every table has: rows of append tables know which hub they are from; those of state tables who wrote them last, and
-- when; `sync_marks` says it of single columns that were written later, as [number of the change, hybrid time, hub], and
-- the time that the hub itself said where that is too far ahead to count.
do $$
declare
  e sync.entity;
begin
  for e in select * from sync.entity order by place loop
    if e.class = 'state' then
      execute format(
        'alter table makrcave.%I add column sync_seq bigint not null, add column sync_hlc bigint not null, '
          || 'add column sync_hub uuid not null, add column sync_marks jsonb not null', e.tbl);
    else
      execute format('alter table makrcave.%I add column sync_hub uuid not null', e.tbl);
    end if;
    execute format('alter table makrcave.%I enable row level security', e.tbl);
    execute format('alter table makrcave.%I force row level security', e.tbl);
    execute format(
      'create policy own_site on makrcave.%I to makrcave_owner '
        || 'using (stream_id = (select nullif(current_setting(''sync.site'', true), '''')::uuid))', e.tbl);
    execute format('create policy all_sites on makrcave.%I for select to makrcave_reader using (true)', e.tbl);
    execute format('grant select on makrcave.%I to makrcave_reader', e.tbl);
  end loop;
end $$;

create index access_event_time on makrcave.access_event (stream_id, at_ms);
create index access_event_member on makrcave.access_event (stream_id, member_id, at_ms) where member_id is not null;
create index member_number on makrcave.member (stream_id, number);

insert into sync.schema_range (oldest, newest) values (1, 1);

reset role;
