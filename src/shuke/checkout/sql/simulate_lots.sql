-- Points that members held in each lot when the period began; lot null is what they owed (negative).
-- Columns: member, lot, remaining, earned_at, active_at, expires_at, slides
SELECT m.member_id, m.lot_id, m.remaining, l.earned_at, l.active_at, l.expires_at, l.slides
FROM (
  SELECT t.member_id, e.lot_id, sum(e.amount)::bigint AS remaining
  FROM ledger_transfer t
  JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member' AND e.asset = 'points'
  WHERE t.member_id = ANY(%(members)s) AND t.occurred_at < %(since)s
  GROUP BY t.member_id, e.lot_id
  HAVING sum(e.amount) <> 0
) m
LEFT JOIN ledger_lot l ON l.id = m.lot_id
ORDER BY m.member_id, l.expires_at NULLS LAST, l.earned_at, m.lot_id
