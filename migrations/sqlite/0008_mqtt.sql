-- A device or program that speaks MQTT with this hub and is no door controller.
create table mqtt_device (
  id text primary key not null,
  username text not null,
  name text not null,
  -- JSON list of {filter, action}, beside its own topics.
  rights text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index mqtt_device_username on mqtt_device (username) where deleted_at_ms is null;

-- What opens its connection: SHA-256 of the token.
create table mqtt_device_secret (
  device_id text primary key not null references mqtt_device (id),
  token_hash blob not null,
  last_seen_at_ms integer
) strict;

-- What the broker keeps for devices that are away. It mirrors the broker's memory: read once, at the start.
create table mqtt_retained (
  topic text primary key not null,
  -- JSON: the packet without its payload.
  packet text not null,
  payload any not null
) strict;

create table mqtt_session (
  client_id text primary key not null,
  -- JSON list of subscriptions.
  subscriptions text not null,
  -- When it was last connected.
  seen_at_ms integer not null
) strict;

create table mqtt_outgoing (
  id integer primary key not null,
  client_id text not null,
  packet text not null,
  payload any,
  at_ms integer not null
) strict;

create table mqtt_incoming (
  client_id text not null,
  message_id integer not null,
  packet text not null,
  payload any,
  primary key (client_id, message_id)
) strict;

create table mqtt_will (
  client_id text primary key not null,
  packet text not null,
  payload any not null
) strict;
