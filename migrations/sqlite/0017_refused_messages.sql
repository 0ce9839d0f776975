-- What a device sends without a right to it ends its connection, or (of quality 0 only) is dropped. Kept with what stays
-- on this hub: a device that comes back from the centre needs a new token anyway.
alter table mqtt_device_secret add column drops_refused integer not null default 0 check (drops_refused in (0, 1));
