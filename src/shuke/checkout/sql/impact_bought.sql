-- What members bought in the days that are looked at: sales, what a discount could be had on (before what tiers and plans took
-- off), points before the tier's multiplier, how many sales, and how many of them had final prices. A sale says whether its
-- prices were final; of older ones, those had whose tier had a discount and whose lines show none.
WITH ruled AS (
  SELECT * FROM unnest(%(versions)s::uuid[], %(tiers)s::text[], %(discounts)s::boolean[], %(factors)s::int[])
    AS r(version_id, tier, discounts, factor)
)
SELECT o.member_id, sum(o.sales_minor - o.refunded_sales_minor)::bigint,
  sum(CASE
    WHEN f.is_final THEN 0
    WHEN o.refunded_sales_minor = 0 THEN o.sales_minor + coalesce(t.minor, 0)
    ELSE div((o.sales_minor + coalesce(t.minor, 0))::numeric * (o.sales_minor - o.refunded_sales_minor), o.sales_minor)
  END)::bigint,
  sum((o.points_earned - o.refunded_points) * 1000 / coalesce(r.factor, 1000))::bigint,
  count(*), count(*) FILTER (WHERE f.is_final)
FROM checkout_order o
LEFT JOIN ruled r ON r.version_id = o.programme_version_id AND r.tier = o.tier
LEFT JOIN LATERAL (
  SELECT sum((d.value->>'minor')::bigint) AS minor
  FROM checkout_orderline l CROSS JOIN LATERAL jsonb_array_elements(l.detail) AS d(value)
  WHERE l.order_id = o.id AND l.detail IS NOT NULL AND d.value->>'kind' IN ('tier', 'plan')
) AS t ON o.discount_minor > 0
CROSS JOIN LATERAL (SELECT coalesce(o.settled, r.discounts AND coalesce(t.minor, 0) = 0) AS is_final) AS f
WHERE o.member_id = ANY(%(members)s::uuid[]) AND o.occurred_at > %(since)s AND o.occurred_at <= %(now)s
  AND o.status = 'committed'
GROUP BY o.member_id
