-- Bring the visits of these members, and the gaps between them, to what their standing orders say. The gaps move by the
-- difference between the members' rows before and after; all parts of this statement see the rows as they were before.
WITH fresh AS MATERIALIZED (
  SELECT member_id, store_id, array_agg(day ORDER BY day) AS days
  FROM (
    SELECT DISTINCT member_id, store_id, (occurred_at AT TIME ZONE %(zone)s::text)::date AS day
    FROM checkout_order WHERE member_id = ANY(%(members)s::uuid[]) AND status = 'committed'
  ) AS d
  GROUP BY member_id, store_id
), delta AS (
  SELECT day, previous_day, sum(n)::int AS members
  FROM (
    SELECT day, lag(day, 1, DATE '0001-01-01') OVER (PARTITION BY n, member_id ORDER BY day) AS previous_day, n
    FROM (
      SELECT DISTINCT 1 AS n, member_id, unnest(days) AS day FROM fresh
      UNION ALL
      SELECT DISTINCT -1, member_id, unnest(days) FROM analytics_visits WHERE member_id = ANY(%(members)s::uuid[])
    ) AS each_day
  ) AS gaps
  GROUP BY day, previous_day HAVING sum(n) <> 0
), moved AS (
  INSERT INTO analytics_visitgap AS g (day, previous_day, members) SELECT day, previous_day, members FROM delta
  ON CONFLICT (day, previous_day) DO UPDATE SET members = g.members + excluded.members
), gone AS (
  DELETE FROM analytics_visits v
  WHERE v.member_id = ANY(%(members)s::uuid[])
    AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f.member_id = v.member_id AND f.store_id = v.store_id)
)
INSERT INTO analytics_visits AS v (member_id, store_id, days)
SELECT member_id, store_id, days FROM fresh
ON CONFLICT (member_id, store_id) DO UPDATE SET days = excluded.days WHERE v.days <> excluded.days
