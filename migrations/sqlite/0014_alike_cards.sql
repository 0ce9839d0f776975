-- Two cards may look alike to a reader that gives less than the whole number: each of them claims that reading then, and
-- the doors know of both. So far a reading was given to the first of them.

create table credential_reading_of (
  credential_id text not null references credential (id),
  reading text not null,
  bits integer not null,
  hex text not null,
  -- 0: as another kind of reader would read the same card.
  seen integer not null check (seen in (0, 1)),
  primary key (credential_id, reading, bits, hex)
) strict, without rowid;
insert into credential_reading_of (credential_id, reading, bits, hex, seen)
  select credential_id, reading, bits, hex, seen from credential_reading;
drop table credential_reading;
alter table credential_reading_of rename to credential_reading;
create index credential_reading_owner on credential_reading (reading, bits, hex, credential_id);

-- The walk over all credentials adds the readings that were left out.
update card_vault set walk_after = '' where id = 1;
