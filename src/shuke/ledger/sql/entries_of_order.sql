-- Everything that an order and its refunds moved on the member's account, oldest first.
SELECT t.id, e.seq, t.kind, e.asset, e.amount, t.occurred_at, t.recorded_at, t.order_id, t.refund_id, t.store_id,
  t.programme_version_id, t.actor, t.reason, e.lot_id, l.expires_at, e.explain
FROM ledger_transfer t
JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
LEFT JOIN ledger_lot l ON l.id = e.lot_id
WHERE t.order_id = %(order)s
ORDER BY t.occurred_at, t.id, e.seq
