-- A page of the acts that moved a member's balance, newest first, each with all that it moved there: an act is never cut.
SELECT t.id, e.seq, t.kind, e.asset, e.amount, t.occurred_at, t.recorded_at, t.order_id, t.refund_id, t.store_id,
  t.programme_version_id, t.actor, t.reason, e.lot_id, l.expires_at, e.explain
FROM (
  SELECT a.* FROM ledger_transfer a
  WHERE a.member_id = %(member)s AND (a.occurred_at, a.id) < (%(before)s::timestamptz, %(before_id)s::uuid)
    AND EXISTS (SELECT FROM ledger_entry x WHERE x.transfer_id = a.id AND x.account = 'member'
      AND (%(asset)s::text IS NULL OR x.asset = %(asset)s))
  ORDER BY a.occurred_at DESC, a.id DESC
  LIMIT %(limit)s
) AS t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  AND (%(asset)s::text IS NULL OR e.asset = %(asset)s)
LEFT JOIN ledger_lot l ON l.id = e.lot_id
ORDER BY t.occurred_at DESC, t.id DESC, e.seq DESC
