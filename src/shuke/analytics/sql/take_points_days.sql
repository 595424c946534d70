-- Bring PointsDay and PointsMoved to what the ledger says of these local days, which follow on each other. An act counts by
-- what all its legs change of the member's balance. Runs after the members' home stores are known.
WITH acts AS MATERIALIZED (
  SELECT (t.occurred_at AT TIME ZONE %(zone)s::text)::date AS day, t.member_id, t.store_id, sum(e.amount)::bigint AS net
  FROM ledger_transfer t
  JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member' AND e.asset = 'points'
  WHERE t.occurred_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s::text
    AND t.occurred_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s::text
  GROUP BY t.id
), held AS MATERIALIZED (
  SELECT a.day, coalesce(s.home_store_id, %(no_store)s::uuid) AS store_id, sum(a.net)::bigint AS net
  FROM acts a LEFT JOIN analytics_membersummary s ON s.member_id = a.member_id
  GROUP BY 1, 2
), moved AS MATERIALIZED (
  SELECT day, coalesce(store_id, %(no_store)s::uuid) AS store_id,
    coalesce(sum(net) FILTER (WHERE net > 0), 0)::bigint AS came,
    coalesce(-sum(net) FILTER (WHERE net < 0), 0)::bigint AS went
  FROM acts GROUP BY 1, 2
), no_longer_held AS (
  DELETE FROM analytics_pointsday t
  WHERE t.day BETWEEN %(first)s::date AND %(last)s::date
    AND NOT EXISTS (SELECT 1 FROM held f WHERE f.store_id = t.store_id AND f.day = t.day)
), no_longer_moved AS (
  DELETE FROM analytics_pointsmoved t
  WHERE t.day BETWEEN %(first)s::date AND %(last)s::date
    AND NOT EXISTS (SELECT 1 FROM moved f WHERE f.store_id = t.store_id AND f.day = t.day)
), keep_held AS (
  INSERT INTO analytics_pointsday AS t (day, store_id, net)
  SELECT day, store_id, net FROM held
  ON CONFLICT (day, store_id) DO UPDATE SET net = excluded.net WHERE t.net <> excluded.net
)
INSERT INTO analytics_pointsmoved AS t (day, store_id, came, went)
SELECT day, store_id, came, went FROM moved
ON CONFLICT (day, store_id) DO UPDATE SET came = excluded.came, went = excluded.went
WHERE (t.came, t.went) <> (excluded.came, excluded.went)
