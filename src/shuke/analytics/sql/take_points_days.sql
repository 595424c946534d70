-- Bring PointsDay to what sales, refunds, expiries and adjustments of these local days say. A refund's own legs are told
-- by its row; its transfers are left out. Runs after the members' home stores are known.
WITH wanted AS (
  SELECT d AS day, d::timestamp AT TIME ZONE %(zone)s::text AS starts, (d + 1)::timestamp AT TIME ZONE %(zone)s::text AS ends
  FROM unnest(%(days)s::date[]) AS d
), moves AS (
  SELECT w.day, o.member_id, o.points_earned - o.points_used AS net
  FROM wanted w JOIN checkout_order o ON o.occurred_at >= w.starts AND o.occurred_at < w.ends
  WHERE o.member_id IS NOT NULL
  UNION ALL
  SELECT w.day, r.member_id, r.points_returned - r.points_expired - r.points_clawed_back + r.points_bought
  FROM wanted w JOIN checkout_refund r ON r.occurred_at >= w.starts AND r.occurred_at < w.ends
  WHERE r.member_id IS NOT NULL
  UNION ALL
  SELECT w.day, t.member_id, e.amount
  FROM wanted w
  JOIN ledger_transfer t ON t.kind IN ('expire', 'adjust') AND t.refund_id IS NULL
    AND t.occurred_at >= w.starts AND t.occurred_at < w.ends
  JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member' AND e.asset = 'points'
), fresh AS MATERIALIZED (
  SELECT m.day, coalesce(s.home_store_id, %(no_store)s::uuid) AS store_id, sum(m.net)::bigint AS net
  FROM moves m LEFT JOIN analytics_membersummary s ON s.member_id = m.member_id
  GROUP BY 1, 2
), gone AS (
  DELETE FROM analytics_pointsday t
  WHERE t.day = ANY(%(days)s::date[])
    AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f.store_id = t.store_id AND f.day = t.day)
)
INSERT INTO analytics_pointsday AS t (day, store_id, net)
SELECT day, store_id, net FROM fresh
ON CONFLICT (day, store_id) DO UPDATE SET net = excluded.net WHERE t.net <> excluded.net
