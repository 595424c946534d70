-- The whole book, proved in one statement and so from one snapshot: sales may go on meanwhile.
-- Each row: (check, rows looked at, differences found, the first few of them).
WITH sums AS MATERIALIZED (
  SELECT transfer_id, asset, sum(amount) AS total, count(*) AS legs FROM ledger_entry GROUP BY transfer_id, asset
), member_sums AS MATERIALIZED (
  SELECT member_id, asset, sum(amount) AS total, -coalesce(sum(amount) FILTER (WHERE lot_id IS NULL), 0) AS debt
  FROM ledger_entry WHERE account = 'member' GROUP BY member_id, asset
), lot_entries AS MATERIALIZED (
  SELECT e.lot_id, e.member_id, e.asset, sum(e.amount) AS total,
    coalesce(sum(e.amount) FILTER (WHERE e.amount > 0 AND t.kind NOT IN ('reversal', 'refund_pay')), 0) AS made
  FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
  WHERE e.account = 'member' AND e.lot_id IS NOT NULL
  GROUP BY e.lot_id, e.member_id, e.asset
), lot_sums AS MATERIALIZED (
  SELECT member_id, asset, sum(remaining) AS remaining FROM ledger_lot GROUP BY member_id, asset
), hold_sums AS MATERIALIZED (
  SELECT hl.lot_id, sum(hl.amount) AS held FROM ledger_holdlot hl JOIN ledger_hold h ON h.id = hl.hold_id
  WHERE h.status = 'held' GROUP BY hl.lot_id
), act_sums AS MATERIALIZED (
  -- What the acts by hand say that their transfers moved on the member's account.
  SELECT 'gift_is_transfers' AS name, id, out_transfer_id AS transfer_id, sender_id AS member_id, asset, -amount AS amount
  FROM ledger_gift
  UNION ALL
  SELECT 'gift_is_transfers', id, in_transfer_id, receiver_id, asset, amount FROM ledger_gift
  UNION ALL
  SELECT 'gift_is_transfers', id, fee_transfer_id, sender_id, asset, -fee FROM ledger_gift WHERE fee <> 0
  UNION ALL
  SELECT 'adjustment_is_transfer', id, transfer_id, member_id, asset, amount FROM ledger_adjustment WHERE status = 'posted'
  UNION ALL
  SELECT 'capture_is_transfer', id, transfer_id, member_id, asset, -captured FROM ledger_hold WHERE status = 'captured'
), differences AS (
  SELECT 'transfer_balances' AS name, transfer_id::text || ' ' || asset AS subject, 0::numeric AS expected, total AS found
  FROM sums WHERE total <> 0
  UNION ALL
  SELECT 'transfer_has_entries', t.id::text, 1, 0
  FROM ledger_transfer t LEFT JOIN sums s ON s.transfer_id = t.id WHERE s.transfer_id IS NULL
  UNION ALL
  SELECT 'entry_has_transfer', e.transfer_id::text || ' ' || e.seq, 1, 0
  FROM ledger_entry e LEFT JOIN ledger_transfer t ON t.id = e.transfer_id AND t.member_id = e.member_id
  WHERE t.id IS NULL
  UNION ALL
  SELECT 'balance_is_entries', coalesce(a.member_id, m.member_id)::text || ' ' || coalesce(a.asset, m.asset),
    coalesce(m.total, 0), a.balance
  FROM ledger_account a FULL JOIN member_sums m ON m.member_id = a.member_id AND m.asset = a.asset
  WHERE coalesce(m.total, 0) IS DISTINCT FROM a.balance
  UNION ALL
  SELECT 'debt_is_entries', a.member_id::text || ' ' || a.asset, coalesce(m.debt, 0), a.debt
  FROM ledger_account a LEFT JOIN member_sums m ON m.member_id = a.member_id AND m.asset = a.asset
  WHERE coalesce(m.debt, 0) <> a.debt
  UNION ALL
  SELECT 'lots_are_balance_and_debt', coalesce(a.member_id, l.member_id)::text || ' ' || coalesce(a.asset, l.asset),
    a.balance + a.debt, coalesce(l.remaining, 0)
  FROM ledger_account a FULL JOIN lot_sums l ON l.member_id = a.member_id AND l.asset = a.asset
  WHERE coalesce(l.remaining, 0) IS DISTINCT FROM a.balance + a.debt
  UNION ALL
  SELECT 'remaining_is_entries', coalesce(l.id, e.lot_id)::text, coalesce(e.total, 0), l.remaining
  FROM ledger_lot l FULL JOIN lot_entries e ON e.lot_id = l.id AND e.member_id = l.member_id AND e.asset = l.asset
  WHERE coalesce(e.total, 0) IS DISTINCT FROM l.remaining
  UNION ALL
  SELECT 'amount_is_entry', l.id::text, coalesce(e.made, 0), l.amount
  FROM ledger_lot l LEFT JOIN lot_entries e ON e.lot_id = l.id AND e.member_id = l.member_id AND e.asset = l.asset
  WHERE coalesce(e.made, 0) <> l.amount
  UNION ALL
  SELECT 'held_is_holds', coalesce(l.id, h.lot_id)::text, coalesce(h.held, 0), l.held
  FROM (SELECT id, held FROM ledger_lot WHERE held <> 0) AS l FULL JOIN hold_sums h ON h.lot_id = l.id
  WHERE coalesce(h.held, 0) IS DISTINCT FROM l.held
  UNION ALL
  SELECT 'hold_is_lots', h.id::text, h.amount, coalesce(sum(hl.amount), 0)
  FROM ledger_hold h LEFT JOIN ledger_holdlot hl ON hl.hold_id = h.id GROUP BY h.id, h.amount
  HAVING h.amount <> coalesce(sum(hl.amount), 0)
  UNION ALL
  SELECT a.name, a.id::text || ' ' || coalesce(a.transfer_id::text, '-'), a.amount, coalesce(sum(e.amount), 0)
  FROM act_sums a LEFT JOIN ledger_entry e ON e.transfer_id = a.transfer_id AND e.account = 'member'
    AND e.member_id = a.member_id AND e.asset = a.asset
  GROUP BY a.name, a.id, a.transfer_id, a.amount
  HAVING a.amount <> coalesce(sum(e.amount), 0)
  UNION ALL
  -- What members gave each other left one book and came into another.
  SELECT 'gifts_cancel_out', asset, 0, sum(amount) FROM ledger_entry WHERE account = 'transferred'
  GROUP BY asset HAVING sum(amount) <> 0
  UNION ALL
  SELECT 'pending_waits', id::text, 1, 0 FROM ledger_lot
  WHERE active_at >= '9999-12-31' AND waits_for IS NULL
), numbered AS (
  SELECT *, row_number() OVER (PARTITION BY name ORDER BY subject) AS n, count(*) OVER (PARTITION BY name) AS of_name
  FROM differences
)
SELECT
  (SELECT count(*) FROM ledger_transfer),
  (SELECT count(*) FROM ledger_entry),
  (SELECT count(*) FROM ledger_lot),
  (SELECT count(*) FROM ledger_account),
  (SELECT coalesce(jsonb_object_agg(asset, jsonb_build_array(balance, debt)), '{}')
     FROM (SELECT asset, sum(balance) AS balance, sum(debt) AS debt FROM ledger_account GROUP BY asset) AS b),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(name, subject, expected::text, found::text, of_name) ORDER BY name, n), '[]')
     FROM numbered WHERE n <= %(most)s)
