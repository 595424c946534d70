-- Orders against their own lines, against the ledger and against their refunds, in one snapshot. Each row is one difference.
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
    -- a hold captured for the order is a deed of its own, not what the sale was paid with
    coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'redeem' AND (e.explain->'hold') IS NULL), 0) AS used
  FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  WHERE t.order_id IS NOT NULL AND t.kind IN ('earn', 'redeem')
  GROUP BY t.order_id
), by_tender AS (
  SELECT order_id, sum(amount_minor) FILTER (WHERE kind IN ('stored_value', 'bonus', 'gift_card')) AS inside,
    sum(amount_minor) FILTER (WHERE kind NOT IN ('stored_value', 'bonus', 'gift_card')) AS outside
  FROM checkout_tender GROUP BY order_id
), by_pay AS (
  SELECT t.order_id, -sum(e.amount) AS paid
  FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  WHERE t.kind = 'pay' GROUP BY t.order_id
), by_rate AS (
  SELECT order_id, sum(tax_minor) AS tax FROM checkout_linetax GROUP BY order_id
), by_coupon AS (
  -- what coupons took off by the uses that were written, and by the lines; most orders have neither
  SELECT order_id, sum(uses) AS uses, sum(lines) AS lines FROM (
    SELECT order_id, minor AS uses, 0 AS lines FROM rewards_use WHERE refund_id IS NULL
    UNION ALL
    SELECT l.order_id, 0, (d.value->>'minor')::bigint
    FROM checkout_orderline l CROSS JOIN LATERAL jsonb_array_elements(l.detail) AS d(value)
    WHERE l.detail @> '[{"kind": "coupon"}]' AND d.value->>'kind' = 'coupon'
  ) AS each GROUP BY order_id
), differing AS MATERIALIZED (
  SELECT c.what, o.id, c.said, c.found
  FROM checkout_order o
  LEFT JOIN by_line l ON l.order_id = o.id
  LEFT JOIN by_entry e ON e.order_id = o.id
  LEFT JOIN by_tender p ON p.order_id = o.id
  LEFT JOIN by_pay y ON y.order_id = o.id
  LEFT JOIN by_rate x ON x.order_id = o.id
  LEFT JOIN by_coupon k ON k.order_id = o.id
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
    ('tax_minor by line', o.tax_minor, coalesce(x.tax, 0)),
    ('tenders in the ledger', coalesce(p.inside, 0), coalesce(y.paid, 0)),
    ('tenders', CASE WHEN p.outside > 0 THEN o.payable_minor ELSE coalesce(p.inside, 0) END,
      coalesce(p.inside, 0) + coalesce(p.outside, 0)),
    ('coupons by line', coalesce(k.uses, 0), coalesce(k.lines, 0))
  ) AS c(what, said, found)
  WHERE c.said <> c.found
), orphans AS MATERIALIZED (
  SELECT 'a store that exists' AS what, id FROM checkout_order o
  WHERE NOT EXISTS (SELECT 1 FROM catalog_store s WHERE s.id = o.store_id)
  UNION ALL
  SELECT 'a channel that exists', id FROM checkout_order o
  WHERE NOT EXISTS (SELECT 1 FROM catalog_channel h WHERE h.code = o.channel_id)
  UNION ALL
  SELECT 'a product that exists', order_id FROM checkout_orderline l
  WHERE NOT EXISTS (SELECT 1 FROM catalog_product p WHERE p.id = l.product_id)
), refund_lines AS MATERIALIZED (
  SELECT refund_id, sum(sales_minor) AS sales, sum(points_minor) AS points_minor, sum(payable_minor) AS payable,
    sum(qualifying_minor) AS qualifying, sum(points_returned) AS returned, sum(points_clawed_back) AS clawed,
    sum(growth_clawed_back) AS growth
  FROM checkout_refundline GROUP BY refund_id
), refund_tenders AS (
  SELECT refund_id, sum(amount_minor) AS amount FROM checkout_refundtender GROUP BY refund_id
), refund_entries AS (
  SELECT t.refund_id,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'redeemed'), 0) AS returned,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'expired'), 0) AS expired,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'issued'), 0) AS clawed,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'paid_out'), 0) AS bought,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'adjustments'), 0) AS written_off,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'member' AND e.lot_id IS NULL AND t.kind = 'reversal'), 0) AS debt
  FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id AND e.asset = 'points'
  WHERE t.refund_id IS NOT NULL
  GROUP BY t.refund_id
), by_refund AS MATERIALIZED (
  SELECT order_id, count(*) AS refunds, max(seq) AS last_seq, sum(sales_minor) AS sales, sum(points_minor) AS points_minor,
    sum(payable_minor) AS payable, sum(qualifying_minor) AS qualifying, sum(points_bought) AS bought,
    count(DISTINCT kind IN ('void', 'cancellation')) AS regimes
  FROM checkout_refund GROUP BY order_id
), by_refunded_line AS MATERIALIZED (
  SELECT order_id, line_no, sum(quantity) AS quantity, sum(sales_minor) AS sales, sum(points_minor) AS points_minor,
    sum(payable_minor) AS payable, sum(points_returned) AS returned, sum(points_clawed_back) AS clawed,
    sum(growth_clawed_back) AS growth
  FROM checkout_refundline GROUP BY order_id, line_no
), open_lines AS MATERIALIZED (
  -- lines of refunded orders of which something is left
  SELECT l.order_id, count(*) AS lines
  FROM by_refund r JOIN checkout_orderline l ON l.order_id = r.order_id
  LEFT JOIN by_refunded_line b ON b.order_id = l.order_id AND b.line_no = l.line_no
  WHERE CASE WHEN l.list_minor > l.discount_minor THEN coalesce(b.sales, 0) < l.list_minor - l.discount_minor
    ELSE coalesce(b.quantity, 0) < l.quantity END
  GROUP BY l.order_id
), refund_differing AS MATERIALIZED (
  -- each refund is its lines, its tenders and its entries
  SELECT c.what, r.order_id, c.said, c.found
  FROM checkout_refund r
  LEFT JOIN refund_lines l ON l.refund_id = r.id
  LEFT JOIN refund_tenders d ON d.refund_id = r.id
  LEFT JOIN refund_entries e ON e.refund_id = r.id
  CROSS JOIN LATERAL (VALUES
    ('refund sales_minor by line', r.sales_minor, coalesce(l.sales, 0)),
    ('refund points_minor by line', r.points_minor, coalesce(l.points_minor, 0)),
    ('refund payable_minor by line', r.payable_minor, coalesce(l.payable, 0)),
    ('refund payable_minor by tender', r.payable_minor, coalesce(d.amount, 0)),
    ('refund qualifying_minor by line', r.qualifying_minor, coalesce(l.qualifying, 0)),
    ('points returned by line', r.points_returned, coalesce(l.returned, 0)),
    ('points taken back by line', r.points_clawed_back, coalesce(l.clawed, 0)),
    ('growth taken back by line', r.growth_clawed_back, coalesce(l.growth, 0)),
    ('points returned in the ledger', r.points_returned, coalesce(e.returned, 0)),
    ('points expired again in the ledger', r.points_expired, coalesce(e.expired, 0)),
    ('points taken back in the ledger', r.points_clawed_back, coalesce(e.clawed, 0)),
    ('points bought in the ledger', r.points_bought, coalesce(e.bought, 0)),
    ('debt in the ledger', greatest(r.points_owed - r.points_settled, 0), r.debt_created),
    ('debt change in the ledger', r.points_owed - r.points_settled, coalesce(e.debt, 0)),
    ('debt written off in the ledger', r.debt_written_off, coalesce(e.written_off, 0))
  ) AS c(what, said, found)
  WHERE c.said <> c.found
  UNION ALL
  -- all refunds of an order are what the order says is back, and all of it when nothing is left
  SELECT c.what, o.id, c.said, c.found
  FROM checkout_order o
  LEFT JOIN by_refund r ON r.order_id = o.id
  LEFT JOIN open_lines w ON w.order_id = o.id
  CROSS JOIN LATERAL (VALUES
    ('refunded_sales_minor', o.refunded_sales_minor, coalesce(r.sales, 0)),
    ('refunded_qualifying_minor', o.refunded_qualifying_minor, coalesce(r.qualifying, 0)),
    ('refund numbers', coalesce(r.refunds, 0), coalesce(r.last_seq, 0)::bigint),
    ('refund row', (o.status <> 'committed')::int::bigint,
      (coalesce(r.refunds, 0) > 0 AND coalesce(w.lines, 0) = 0)::int::bigint),
    ('sales_minor fully back', o.sales_minor, CASE WHEN o.status = 'committed' THEN o.sales_minor ELSE coalesce(r.sales, 0) END),
    ('points_minor fully back', o.points_minor,
      CASE WHEN o.status = 'committed' THEN o.points_minor ELSE coalesce(r.points_minor, 0) END),
    ('payable_minor fully back', o.payable_minor,
      CASE WHEN o.status = 'committed' THEN o.payable_minor ELSE coalesce(r.payable, 0) END),
    ('refunded_growth fully back', o.growth_earned,
      CASE WHEN o.status = 'committed' THEN o.growth_earned ELSE o.refunded_growth END)
  ) AS c(what, said, found)
  WHERE (o.status <> 'committed' OR r.order_id IS NOT NULL OR o.refunded_sales_minor <> 0) AND c.said <> c.found
  UNION ALL
  -- of each line no more is back than was sold, and each figure is its share of the value that is back (but earned units
  -- where a cancellation, which takes them always, met a refund under a policy that leaves them)
  SELECT c.what, l.order_id, c.said, c.found
  FROM by_refunded_line b
  JOIN checkout_orderline l ON l.order_id = b.order_id AND l.line_no = b.line_no
  JOIN by_refund r ON r.order_id = b.order_id
  CROSS JOIN LATERAL (
    SELECT CASE WHEN l.list_minor > l.discount_minor THEN b.sales ELSE b.quantity END::numeric AS done,
      CASE WHEN l.list_minor > l.discount_minor THEN l.list_minor - l.discount_minor ELSE l.quantity END::numeric AS whole
  ) AS share
  CROSS JOIN LATERAL (VALUES
    ('line returned beyond its quantity', 0::bigint, (b.quantity > l.quantity)::int::bigint),
    ('line refunded beyond its value', 0, (b.sales > l.list_minor - l.discount_minor)::int::bigint),
    ('line points_minor share', b.points_minor, div(l.points_minor * share.done, share.whole)),
    ('line payable_minor share', b.payable, b.sales - b.points_minor
      + div((l.payable_minor + l.points_minor - l.list_minor + l.discount_minor) * share.done, share.whole)),
    ('line points taken back share', b.clawed,
      CASE WHEN b.clawed = 0 OR r.regimes > 1 THEN b.clawed ELSE div(l.points_earned * share.done, share.whole) END),
    ('line growth taken back share', b.growth,
      CASE WHEN b.growth = 0 OR r.regimes > 1 THEN b.growth ELSE div(l.growth_earned * share.done, share.whole) END)
  ) AS c(what, said, found)
  WHERE c.said <> c.found
)
SELECT what, id, said, found FROM differing
UNION ALL
SELECT what, id, 1, 0 FROM orphans
UNION ALL
SELECT what, order_id, said::bigint, found::bigint FROM refund_differing
LIMIT %(most)s
