-- Orders against their own lines and against the ledger, in one snapshot. Each row is one difference.
-- Materialized, or the LIMIT promises a quick first row and the planner joins by nested loops: a book without
-- differences, the usual one, would then be read once per order.
WITH by_line AS (
  SELECT order_id, sum(list_minor) AS list_minor, sum(discount_minor) AS discount_minor, sum(points_minor) AS points_minor,
    sum(payable_minor) AS payable_minor, sum(points_earned) AS points_earned, sum(growth_earned) AS growth_earned
  FROM checkout_orderline GROUP BY order_id
), by_entry AS (
  SELECT t.order_id,
    coalesce(sum(e.amount) FILTER (WHERE t.kind = 'earn' AND e.asset = 'points'), 0) AS earned,
    coalesce(sum(e.amount) FILTER (WHERE t.kind = 'earn' AND e.asset = 'growth'), 0) AS growth,
    coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'redeem'), 0) AS used
  FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  WHERE t.order_id IS NOT NULL AND t.kind IN ('earn', 'redeem')
  GROUP BY t.order_id
), differing AS MATERIALIZED (
  SELECT c.what, o.id, c.said, c.found
  FROM checkout_order o
  LEFT JOIN by_line l ON l.order_id = o.id
  LEFT JOIN by_entry e ON e.order_id = o.id
  CROSS JOIN LATERAL (VALUES
    ('list_minor', o.list_minor, coalesce(l.list_minor, 0)),
    ('discount_minor', o.discount_minor, coalesce(l.discount_minor, 0)),
    ('points_minor', o.points_minor, coalesce(l.points_minor, 0)),
    ('payable_minor', o.payable_minor, coalesce(l.payable_minor, 0)),
    ('points_earned by line', o.points_earned, coalesce(l.points_earned, 0)),
    ('growth_earned by line', o.growth_earned, coalesce(l.growth_earned, 0)),
    ('points_earned in the ledger', o.points_earned, coalesce(e.earned, 0)),
    ('growth_earned in the ledger', o.growth_earned, coalesce(e.growth, 0)),
    ('points_used in the ledger', o.points_used, coalesce(e.used, 0)),
    ('refund row', (o.status = 'refunded')::int::bigint,
      (SELECT count(*) FROM checkout_refund r WHERE r.order_id = o.id))
  ) AS c(what, said, found)
  WHERE c.said <> c.found
)
SELECT what, id, said, found FROM differing
LIMIT %(most)s
