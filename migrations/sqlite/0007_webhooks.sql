create table webhook (
  id text primary key not null,
  name text not null,
  url text not null,
  -- JSON list of topics.
  topics text not null,
  active integer not null check (active in (0, 1)),
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index webhook_name on webhook (name collate nocase) where deleted_at_ms is null;

-- What deliveries are signed with; after a rotation the one before as well, for a while.
create table webhook_secret (
  webhook_id text primary key not null references webhook (id),
  secret blob not null,
  previous_secret blob,
  previous_until_ms integer,
  check ((previous_secret is null) = (previous_until_ms is null))
) strict;

-- How it goes with a webhook's target.
create table webhook_status (
  webhook_id text primary key not null references webhook (id),
  -- Attempts in a row that failed, and since when.
  failures integer not null,
  failing_since_ms integer,
  last_success_at_ms integer,
  last_failure text,
  -- The target failed for long: only a probe goes out now and then.
  paused_at_ms integer,
  -- Nothing goes out before.
  hold_until_ms integer,
  -- Why the target itself ended it; null unless it did.
  ended text check (ended in ('gone')),
  -- Events that found the queue full since somebody last dealt with the dead letters, and dead letters that gave way.
  overflowed integer not null,
  discarded integer not null
) strict;

-- What is sent; one for all webhooks that wait for it. Its id is the header webhook-id.
create table webhook_message (
  id text primary key not null,
  topic text not null,
  body text not null,
  created_at_ms integer not null,
  -- 0: the clock was not to be trusted then, so the age is unknown.
  clock_trusted integer not null check (clock_trusted in (0, 1))
) strict;

create table webhook_delivery (
  id text primary key not null,
  webhook_id text not null references webhook (id),
  message_id text not null references webhook_message (id),
  state text not null check (state in ('pending', 'delivered', 'dead')),
  -- Of the present round: a delivery that is asked for again begins anew.
  attempts integer not null,
  next_attempt_at_ms integer,
  last_attempt_at_ms integer,
  duration_ms integer,
  -- HTTP status of the last answer; null when there was none.
  response_status integer,
  -- Why the last attempt failed, or why the delivery is dead.
  problem text,
  -- The beginning of the last answer that was no success, or what the connection met.
  detail text,
  created_at_ms integer not null,
  check ((state = 'pending') = (next_attempt_at_ms is not null))
) strict;
create index webhook_delivery_due on webhook_delivery (webhook_id, next_attempt_at_ms) where state = 'pending';
create index webhook_delivery_list on webhook_delivery (webhook_id, state, id);
create index webhook_delivery_message on webhook_delivery (message_id);
