-- Distinct members who bought at these stores: over the period (0), the period before (-1), and each step of it (1, 2, …).
-- width_bucket is a binary search in the ascending days: how many of them are not after a date.
WITH own AS MATERIALIZED (
  SELECT member_id, days FROM analytics_visits
  WHERE store_id = ANY(%(stores)s::uuid[])
    AND width_bucket(%(last)s::date, days) > width_bucket(%(previous_first)s::date - 1, days)
), merged AS MATERIALIZED (
  SELECT member_id,
    bool_or(width_bucket(%(last)s::date, days) > width_bucket(%(first)s::date - 1, days)) AS current,
    bool_or(width_bucket(%(first)s::date - 1, days) > width_bucket(%(previous_first)s::date - 1, days)) AS previous
  FROM own GROUP BY member_id
), stepped AS (
  SELECT DISTINCT width_bucket(d.day, %(starts)s::date[]) AS n, own.member_id
  FROM own, unnest(own.days[width_bucket(%(first)s::date - 1, own.days) + 1 : width_bucket(%(last)s::date, own.days)]) AS d(day)
)
SELECT 0 AS n, count(*) FILTER (WHERE current) FROM merged
UNION ALL
SELECT -1, count(*) FILTER (WHERE previous) FROM merged
UNION ALL
SELECT n, count(*) FROM stepped GROUP BY n
