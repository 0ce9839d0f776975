-- A member's history goes by the time of the tap, not by that of its receipt: a bridge that was offline sends days later.
-- Without a clock the bridge does not know the time; then the receipt stands in for it.
create index access_event_member_time on access_event
  (member_id, (case clock_trust when 'none' then created_at_ms else at_ms end), id);
