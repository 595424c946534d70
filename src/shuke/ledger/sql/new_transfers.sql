-- Members and local days that transfers moved, of those whose transactions ended since a reader came by.
SELECT DISTINCT member_id, (occurred_at AT TIME ZONE %(zone)s::text)::date
FROM ledger_transfer WHERE txid >= %(after)s::bigint AND txid < %(until)s::bigint
