-- Every store with sales or refunds in the period or the one before. Stores null: all of them.
SELECT s.id, s.code, s.name, s.region,
  coalesce(sum(t.member_sales_minor - t.member_refund_minor) FILTER (WHERE t.day >= %(first)s::date), 0)::bigint AS sales,
  coalesce(sum(t.member_sales_minor - t.member_refund_minor) FILTER (WHERE t.day < %(first)s::date), 0)::bigint AS previous,
  coalesce(sum(t.member_orders) FILTER (WHERE t.day >= %(first)s::date), 0)::bigint AS orders,
  coalesce(sum(t.member_kept_minor) FILTER (WHERE t.day >= %(first)s::date), 0)::bigint AS kept,
  coalesce(min(p.came), 0)::bigint AS came, coalesce(min(p.went), 0)::bigint AS went
FROM analytics_storeday t
JOIN catalog_store s ON s.id = t.store_id
LEFT JOIN (
  SELECT store_id, sum(came) AS came, sum(went) AS went FROM analytics_pointsmoved
  WHERE day BETWEEN %(first)s::date AND %(last)s::date GROUP BY store_id
) AS p ON p.store_id = t.store_id
WHERE t.day >= %(previous_first)s::date AND t.day <= %(last)s::date
  AND (%(stores)s::uuid[] IS NULL OR t.store_id = ANY(%(stores)s::uuid[]))
GROUP BY s.id
