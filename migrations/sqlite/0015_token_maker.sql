-- A token works for an account that may not be its maker's: it ends with the rights of whoever made it. Null: made on the
-- box itself.
alter table access_token add column made_by text references account (id);
update access_token set made_by = (
  select audit_entry.actor_id
  from audit_entry
  join audit_payload on audit_payload.id = audit_entry.id
  where audit_entry.target_id = access_token.service_account_id
    and audit_entry.actor_kind = 'account'
    and audit_entry.action in ('accessToken.create', 'accessToken.rotate')
    and json_extract(audit_payload.body, '$.tokenId') = access_token.id
);
