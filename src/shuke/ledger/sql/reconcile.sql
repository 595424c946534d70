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
