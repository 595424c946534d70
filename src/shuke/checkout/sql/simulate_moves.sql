-- Points moved by what is neither replayed (sales of the period, their refunds, accruals) nor follows from it (expiry).
-- Columns: transfer, member, at, units, lot, remaining (0), earned_at, active_at, expires_at, slides
SELECT t.id, t.member_id, t.occurred_at, e.amount, e.lot_id, 0, l.earned_at, l.active_at, l.expires_at, l.slides
FROM ledger_transfer t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member' AND e.asset = 'points'
LEFT JOIN ledger_lot l ON l.id = e.lot_id
LEFT JOIN checkout_order o ON o.id = t.order_id
WHERE (%(members)s::uuid[] IS NULL OR t.member_id = ANY(%(members)s))
  AND t.occurred_at >= %(since)s AND t.occurred_at < %(until)s AND t.kind NOT IN ('accrue', 'expire')
  AND (o.id IS NULL OR o.occurred_at < %(begin)s)
ORDER BY t.id, e.seq
