-- A page of what moved a member's balance, newest first. The first condition on the cursor is one that the index
-- answers, so that a late page costs no more than the first.
SELECT t.id, e.seq, t.kind, e.asset, e.amount, t.occurred_at, t.recorded_at, t.order_id, t.refund_id, t.store_id,
  t.programme_version_id, t.actor, t.reason, e.lot_id, l.expires_at, e.explain
FROM ledger_transfer t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
LEFT JOIN ledger_lot l ON l.id = e.lot_id
WHERE t.member_id = %(member)s
  AND (%(asset)s::text IS NULL OR e.asset = %(asset)s)
  AND (t.occurred_at, t.id) <= (%(before)s::timestamptz, %(before_id)s::uuid)
  AND (t.occurred_at, t.id, e.seq) < (%(before)s::timestamptz, %(before_id)s::uuid, %(before_seq)s::int)
ORDER BY t.occurred_at DESC, t.id DESC, e.seq DESC
LIMIT %(limit)s
