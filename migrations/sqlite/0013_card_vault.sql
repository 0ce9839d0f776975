-- Card readings and hashes of PINs, sealed under the site's card key, so that they may leave this hub; and that key,
-- wrapped by the code on the recovery sheet.

create table credential_seal (
  id text primary key not null,
  credential_id text not null references credential (id),
  -- base64url of what sealed-file.ts makes; the purpose names the credential.
  sealed text not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index credential_seal_credential on credential_seal (credential_id) where deleted_at_ms is null;

create table card_key_wrap (
  id text primary key not null,
  -- Names the card key that is inside, without giving it away.
  key_id text not null,
  -- base64url; goes into the derivation of the wrapping key.
  salt text not null,
  wrapped text not null,
  made_at_ms integer not null,
  version integer not null default 1,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer
) strict;
create unique index card_key_wrap_single on card_key_wrap ((1)) where deleted_at_ms is null;

-- Under which card key the seals are, and how far the walk over all credentials is that brings them there.
create table card_vault (
  id integer primary key not null check (id = 1),
  key_id text not null,
  -- Id of the last credential that was looked at; null once all were.
  walk_after text
) strict;
insert into card_vault (id, key_id, walk_after) values (1, '', '');
