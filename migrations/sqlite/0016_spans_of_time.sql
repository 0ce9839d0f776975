-- Events and audit entries of a span of time: the first and the last of it are found along these.
create index access_event_at on access_event (at_ms, id);
create index audit_entry_at on audit_entry (at_ms, seq);
