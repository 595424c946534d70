-- Orders from before the period that may still count for a tier, less what was refunded before it began.
-- Columns: member, order, at, qualifying, growth, points, nothing is left
SELECT o.member_id, o.id, o.occurred_at,
  o.qualifying_minor - coalesce(b.qualifying, 0), o.growth_earned - coalesce(b.growth, 0),
  o.points_earned - coalesce(b.points, 0), coalesce(b.ended, false)
FROM checkout_order o
LEFT JOIN LATERAL (
  SELECT sum(r.qualifying_minor)::bigint AS qualifying, sum(r.growth_clawed_back)::bigint AS growth,
    sum(r.points_clawed_back)::bigint AS points,
    sum(r.sales_minor) >= o.sales_minor AND o.status <> 'committed' AS ended
  FROM checkout_refund r
  WHERE (o.refunded_sales_minor > 0 OR o.status <> 'committed') AND r.order_id = o.id AND r.occurred_at < %(since)s
) b ON true
WHERE o.member_id = ANY(%(members)s) AND o.occurred_at >= %(first)s AND o.occurred_at < %(since)s
ORDER BY o.member_id, o.occurred_at, o.id
