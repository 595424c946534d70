-- What moved one asset of a member up to an instant, by kind of act and by whether it came or went.
SELECT t.kind, e.amount > 0 AS came_in, sum(e.amount)::bigint, count(*), min(t.occurred_at), max(t.occurred_at)
FROM ledger_transfer t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
WHERE t.member_id = %(member)s AND e.asset = %(asset)s AND t.occurred_at <= %(as_of)s
  AND (%(known_at)s::timestamptz IS NULL OR t.recorded_at <= %(known_at)s)
GROUP BY 1, 2
ORDER BY 2 DESC, 5, 1
