-- Every entry that moved some lots, or made or settled a debt, up to an instant, oldest first.
SELECT t.id, e.seq, t.kind, e.asset, e.amount, t.occurred_at, t.recorded_at, t.order_id, t.refund_id, t.store_id,
  t.programme_version_id, t.actor, t.reason, e.lot_id, l.expires_at, e.explain
FROM ledger_transfer t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
LEFT JOIN ledger_lot l ON l.id = e.lot_id
WHERE t.member_id = %(member)s AND e.asset = %(asset)s AND t.occurred_at <= %(as_of)s
  AND (%(known_at)s::timestamptz IS NULL OR t.recorded_at <= %(known_at)s)
  AND (e.lot_id = ANY(%(lots)s::uuid[]) OR e.lot_id IS NULL)
ORDER BY t.occurred_at, t.id, e.seq
