-- What each lot of a member held at an instant, summed from the entries alone; lot_id null is what was owed (negative).
-- `held` is what holds had promised of a lot at that instant. A lot that waits for an event has no instant from which it is usable: `active_at` is null.
SELECT m.asset, m.lot_id, m.remaining, l.amount, l.earned_at, nullif(l.active_at, %(waiting)s), l.expires_at, l.order_id,
  coalesce(l.active_at > %(as_of)s, false) AS is_pending,
  coalesce(l.expires_at <= %(as_of)s, false) AS has_lapsed,
  coalesce((SELECT sum(p.amount) FROM ledger_holdlot p JOIN ledger_hold h ON h.id = p.hold_id
    WHERE p.lot_id = m.lot_id AND h.placed_at <= %(as_of)s AND (h.ended_at IS NULL OR h.ended_at > %(as_of)s)), 0)::bigint
FROM (
  SELECT e.asset, e.lot_id, sum(e.amount)::bigint AS remaining
  FROM ledger_transfer t
  JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  WHERE t.member_id = %(member)s AND t.occurred_at <= %(as_of)s
    AND (%(known_at)s::timestamptz IS NULL OR t.recorded_at <= %(known_at)s)
    AND (%(asset)s::text IS NULL OR e.asset = %(asset)s)
  GROUP BY e.asset, e.lot_id
) m
LEFT JOIN ledger_lot l ON l.id = m.lot_id
ORDER BY m.asset DESC, l.expires_at NULLS LAST, l.earned_at, m.lot_id
