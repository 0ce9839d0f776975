-- Members, what they pay for (plans), what they hold (memberships), groups, holds, and the word index that search uses.

create table member (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  -- Printed on cards and said on the phone; never given out twice, also not after a removal.
  number integer not null check (number between 1 and 999999999),
  name text not null check (length(name) between 1 and 200),
  email text,
  phone text,
  locale text,
  date_of_birth text,
  guardian text,
  notes text,
  waiver_version text,
  waiver_date text,
  extended_access integer not null check (extended_access in (0, 1)),
  status text not null check (status in ('active', 'suspended', 'left')),
  status_reason text,
  status_since_ms integer not null
) strict;

create unique index member_by_number on member (number);

create table plan (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  name text not null check (length(name) between 1 and 100),
  -- The name folded for comparison and order.
  name_key text not null,
  description text,
  price_minor integer not null check (price_minor >= 0),
  currency text not null check (length(currency) = 3),
  billing_interval text not null check (billing_interval in ('month', 'year', 'once', 'none')),
  grace_days integer not null check (grace_days between 0 and 366),
  overdue_days integer not null check (overdue_days between 0 and 366),
  active integer not null check (active in (0, 1))
) strict;

create unique index plan_by_name on plan (name_key) where deleted_at_ms is null;

create table member_group (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  name text not null check (length(name) between 1 and 100),
  name_key text not null,
  description text
) strict;

create unique index member_group_by_name on member_group (name_key) where deleted_at_ms is null;

create table member_group_entry (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  member_id text not null references member (id),
  group_id text not null references member_group (id)
) strict;

create unique index member_group_entry_once on member_group_entry (member_id, group_id) where deleted_at_ms is null;
create index member_group_entry_by_group on member_group_entry (group_id) where deleted_at_ms is null;

create table membership (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  member_id text not null references member (id),
  plan_id text not null references plan (id),
  state text not null check (
    state in (
      'applied', 'pending', 'trial', 'active', 'grace', 'overdue', 'lapsed',
      'paused', 'suspended', 'cancelling', 'ended'
    )
  ),
  state_since_ms integer not null,
  state_reason text,
  from_ms integer,
  until_ms integer,
  -- The plan's terms as they were agreed, so that editing a plan moves nobody's dates.
  renews integer not null check (renews in (0, 1)),
  grace_days integer not null check (grace_days between 0 and 366),
  overdue_days integer not null check (overdue_days between 0 and 366),
  -- When time alone moves it on; null = never, or waiting for another membership of the member to end.
  due_at_ms integer
) strict;

create index membership_by_member on membership (member_id, id) where deleted_at_ms is null;
create index membership_by_plan on membership (plan_id);
create index membership_due on membership (due_at_ms) where due_at_ms is not null and deleted_at_ms is null;
-- One membership that opens doors per member, whatever the code does.
create unique index membership_one_admitting on membership (member_id)
where deleted_at_ms is null and state in ('trial', 'active', 'grace', 'cancelling');

create table hold (
  id text primary key not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  member_id text not null references member (id),
  reason text not null check (length(reason) between 1 and 500),
  placed_by text not null,
  released_by text,
  released_at_ms integer,
  release_note text
) strict;

create index hold_by_member on hold (member_id, id) where deleted_at_ms is null;
create index hold_active on hold (member_id) where released_at_ms is null and deleted_at_ms is null;

-- What members are found by: folded words, and filters spelled as words ('s:active:ada lovelace'). Rebuilt from the
-- tables above at every change of them.
create table member_word (
  word text not null,
  member_number integer not null,
  primary key (word, member_number)
) strict, without rowid;

create index member_word_by_member on member_word (member_number, word);
