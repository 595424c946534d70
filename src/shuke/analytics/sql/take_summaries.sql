-- Bring the summaries of these members to what the base tables say, and move the counts kept over all members by the
-- difference. All parts of this statement see the rows as they were before it.
WITH sold AS (
  SELECT member_id,
    (array_agg(store_id ORDER BY occurred_at, id))[1] AS first_store_id,
    min(occurred_at) FILTER (WHERE status = 'committed') AS first_order_at,
    max(occurred_at) FILTER (WHERE status = 'committed') AS last_order_at,
    count(*) FILTER (WHERE status = 'committed' AND occurred_at >= %(year_starts)s)::int AS orders_year,
    coalesce(sum(sales_minor - refunded_sales_minor) FILTER (WHERE status = 'committed' AND occurred_at >= %(year_starts)s), 0)::bigint AS spend
  FROM checkout_order WHERE member_id = ANY(%(members)s::uuid[])
  GROUP BY member_id
), fresh AS MATERIALIZED (
  SELECT m.id AS member_id, coalesce(m.join_store_id, o.first_store_id, %(no_store)s::uuid) AS home_store_id,
    coalesce(s.tier, '') AS tier, m.status = 'closed' AS is_closed, o.first_order_at, o.last_order_at,
    (o.last_order_at AT TIME ZONE %(zone)s::text)::date AS last_day, coalesce(o.orders_year, 0) AS orders_year,
    coalesce(o.spend, 0) AS spend_year_minor, coalesce(a.balance, 0) AS points
  FROM members_member m
  LEFT JOIN sold o ON o.member_id = m.id
  LEFT JOIN loyalty_standing s ON s.member_id = m.id
  LEFT JOIN ledger_account a ON a.member_id = m.id AND a.asset = 'points'
  WHERE m.id = ANY(%(members)s::uuid[])
), both_sides AS (
  SELECT 1 AS n, home_store_id, tier, is_closed, last_day, orders_year, points FROM fresh
  UNION ALL
  SELECT -1, home_store_id, tier, is_closed, last_day, orders_year, points
  FROM analytics_membersummary WHERE member_id = ANY(%(members)s::uuid[])
), homes AS (
  INSERT INTO analytics_homestore AS h (store_id, tier, members, points)
  SELECT home_store_id, tier, sum(n * (NOT is_closed)::int)::int, sum(n * points)::bigint
  FROM both_sides GROUP BY home_store_id, tier
  HAVING sum(n * (NOT is_closed)::int) <> 0 OR sum(n * points) <> 0
  ON CONFLICT (store_id, tier) DO UPDATE SET members = h.members + excluded.members, points = h.points + excluded.points
), recencies AS (
  INSERT INTO analytics_recencycount AS r (last_day, orders_year, members)
  SELECT last_day, orders_year, sum(n)::int FROM both_sides
  WHERE last_day IS NOT NULL AND NOT is_closed
  GROUP BY last_day, orders_year HAVING sum(n) <> 0
  ON CONFLICT (last_day, orders_year) DO UPDATE SET members = r.members + excluded.members
)
INSERT INTO analytics_membersummary AS t (member_id, home_store_id, tier, is_closed, first_order_at, last_order_at, last_day,
  orders_year, spend_year_minor, points, favourites)
SELECT member_id, home_store_id, tier, is_closed, first_order_at, last_order_at, last_day,
  orders_year, spend_year_minor, points, '{}'
FROM fresh
ON CONFLICT (member_id) DO UPDATE SET
  (home_store_id, tier, is_closed, first_order_at, last_order_at, last_day, orders_year, spend_year_minor, points)
  = (excluded.home_store_id, excluded.tier, excluded.is_closed, excluded.first_order_at, excluded.last_order_at,
    excluded.last_day, excluded.orders_year, excluded.spend_year_minor, excluded.points)
WHERE (t.home_store_id, t.tier, t.is_closed, t.first_order_at, t.last_order_at, t.last_day, t.orders_year,
    t.spend_year_minor, t.points)
  IS DISTINCT FROM (excluded.home_store_id, excluded.tier, excluded.is_closed, excluded.first_order_at,
    excluded.last_order_at, excluded.last_day, excluded.orders_year, excluded.spend_year_minor, excluded.points)
