-- Lists by their last change.
create index member_by_change on member (updated_at_ms, id) where deleted_at_ms is null;
create index credential_by_change on credential (updated_at_ms, id) where deleted_at_ms is null;

-- Writes that came with an Idempotency-Key, and their answers, so that a repetition changes nothing.
create table keyed_request (
  -- SHA-256 of caller, endpoint and key; the key itself is not kept.
  id blob primary key not null,
  -- HMAC-SHA-256 of method, path and body under the key: without it the body cannot be guessed.
  digest blob not null,
  -- Null until the answer is known; after a crash it stays so, and the outcome is not known.
  status integer,
  media_type text,
  etag text,
  -- JSON of further headers.
  headers text,
  -- Null: the answer is not kept, since it holds a secret or is too large.
  body text,
  -- Of the body.
  bytes integer not null default 0,
  created_at_ms integer not null
) strict, without rowid;
create index keyed_request_age on keyed_request (created_at_ms, bytes);
