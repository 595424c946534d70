-- Bring StoreDay to what the sales and refunds of these local days say.
WITH wanted AS (
  SELECT d AS day, d::timestamp AT TIME ZONE %(zone)s::text AS starts, (d + 1)::timestamp AT TIME ZONE %(zone)s::text AS ends
  FROM unnest(%(days)s::date[]) AS d
), moves AS (
  SELECT w.day, o.store_id, o.channel_id AS channel, (o.status = 'committed')::int AS orders,
    (o.member_id IS NOT NULL)::int AS of_member, o.sales_minor, o.sales_minor - o.refunded_sales_minor AS kept_minor,
    o.discount_minor, 0 AS refunds, 0 AS refunds_of_member, 0::bigint AS refund_minor
  FROM wanted w JOIN checkout_order o ON o.occurred_at >= w.starts AND o.occurred_at < w.ends
  UNION ALL
  SELECT w.day, o.store_id, o.channel_id, 0, 0, 0, 0, 0, 1, (o.member_id IS NOT NULL)::int, r.sales_minor
  FROM wanted w JOIN checkout_refund r ON r.occurred_at >= w.starts AND r.occurred_at < w.ends
  JOIN checkout_order o ON o.id = r.order_id
), fresh AS MATERIALIZED (
  SELECT store_id, day, channel, sum(orders)::int AS orders, sum(orders * of_member)::int AS member_orders,
    sum(sales_minor)::bigint AS sales_minor, sum(sales_minor * of_member)::bigint AS member_sales_minor,
    sum(kept_minor * of_member)::bigint AS member_kept_minor,
    sum(discount_minor)::bigint AS discount_minor, sum(refunds)::int AS refunds, sum(refunds_of_member)::int AS member_refunds,
    sum(refund_minor)::bigint AS refund_minor, sum(refund_minor * refunds_of_member)::bigint AS member_refund_minor
  FROM moves GROUP BY store_id, day, channel
), gone AS (
  DELETE FROM analytics_storeday t
  WHERE t.day = ANY(%(days)s::date[])
    AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f.store_id = t.store_id AND f.day = t.day AND f.channel = t.channel)
)
INSERT INTO analytics_storeday AS t (store_id, day, channel, orders, member_orders, sales_minor, member_sales_minor,
  member_kept_minor, discount_minor, refunds, member_refunds, refund_minor, member_refund_minor)
SELECT store_id, day, channel, orders, member_orders, sales_minor, member_sales_minor, member_kept_minor,
  discount_minor, refunds, member_refunds, refund_minor, member_refund_minor
FROM fresh
ON CONFLICT (store_id, day, channel) DO UPDATE SET
  (orders, member_orders, sales_minor, member_sales_minor, member_kept_minor, discount_minor, refunds, member_refunds,
    refund_minor, member_refund_minor)
  = (excluded.orders, excluded.member_orders, excluded.sales_minor, excluded.member_sales_minor, excluded.member_kept_minor,
    excluded.discount_minor, excluded.refunds, excluded.member_refunds, excluded.refund_minor, excluded.member_refund_minor)
WHERE (t.orders, t.member_orders, t.sales_minor, t.member_sales_minor, t.member_kept_minor, t.discount_minor,
    t.refunds, t.member_refunds, t.refund_minor, t.member_refund_minor)
  IS DISTINCT FROM (excluded.orders, excluded.member_orders, excluded.sales_minor, excluded.member_sales_minor,
    excluded.member_kept_minor, excluded.discount_minor, excluded.refunds, excluded.member_refunds, excluded.refund_minor,
    excluded.member_refund_minor)
